"""ResNet-20 <- ResNet-110: what the methods of this pair share."""

_base_ = '../../cifar100/resnet20.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet110.py', checkpoint='work_dirs/resnet110/epoch_240.pth'),
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
