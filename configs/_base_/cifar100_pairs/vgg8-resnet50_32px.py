"""VGG-8 <- ResNet-50 for 32 px: what the methods of this pair share."""

_base_ = '../../cifar100/vgg8.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet50_32px.py', checkpoint='work_dirs/resnet50_32px/epoch_240.pth'),
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.8}),
]
