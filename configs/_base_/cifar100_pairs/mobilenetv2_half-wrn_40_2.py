"""MobileNetV2 of half width <- WRN-40-2: what the methods of this pair share."""

_base_ = '../../cifar100/mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/wrn_40_2.py', checkpoint='work_dirs/wrn_40_2/epoch_240.pth'),
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 74.1}),
]
