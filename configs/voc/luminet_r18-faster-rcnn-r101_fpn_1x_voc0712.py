"""LumiNet on the RoI logits, with its defaults, which were best on the digits: R18 <- R101, VOC 2007 + 2012.

python tools/train.py configs/voc/luminet_r18-faster-rcnn-r101_fpn_1x_voc0712.py
"""

_base_ = './plain_r18-faster-rcnn_fpn_1x_voc0712.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(
        config='configs/voc/teacher_r101-faster-rcnn_fpn_1x_voc0712.py',
        checkpoint='work_dirs/teacher_r101-faster-rcnn_fpn_1x_voc0712/epoch_4.pth',
    ),
    distill=[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0))],
)
# The teacher's own mAP before the first step, and the gap to it after every validation.
custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')]
