"""WRN-40-2 <- ResNet-32x4: what the methods of this pair share."""

_base_ = '../../cifar100/wrn_40_2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet32x4.py', checkpoint='work_dirs/resnet32x4/epoch_240.pth'),
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.9}),
]
