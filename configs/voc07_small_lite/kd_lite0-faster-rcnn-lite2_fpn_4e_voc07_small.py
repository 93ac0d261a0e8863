"""KD on the RoI logits: tau 1, weight 1, on the foreground, its best on the digits (docs/roi_study.md).

python tools/train.py configs/voc07_small_lite/kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './plain_lite0-faster-rcnn_fpn_4e_voc07_small.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(
        config='configs/voc07_small_lite/teacher_lite2-faster-rcnn_fpn_4e_voc07_small.py',
        checkpoint='work_dirs/teacher_lite2-faster-rcnn_fpn_4e_voc07_small/epoch_4.pth',
    ),
    distill=[dict(tap='roi_cls', rois='foreground', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=1.0))],
)
