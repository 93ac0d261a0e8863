"""Plain KD on the RoI logits: tau 1, weight 1, on the foreground, its best on the digits (docs/roi_study.md).

python tools/train.py configs/voc07_small/kd_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py
"""

_base_ = './plain_r18-faster-rcnn_fpn_gn_72e_voc07_small.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(
        config='configs/voc07_small/teacher_r50-faster-rcnn_fpn_gn_72e_voc07_small.py',
        checkpoint='work_dirs/teacher_r50-faster-rcnn_fpn_gn_72e_voc07_small/epoch_72.pth',
    ),
    distill=[dict(tap='roi_cls', rois='foreground', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=1.0))],
)
# The teacher's own AP before the first step, and the gap to it after every validation.
custom_hooks = [
    dict(type='luminet_det.ResultHook', metric='coco/bbox_mAP'),
    dict(type='luminet_det.TeacherEvaluationHook'),
]
