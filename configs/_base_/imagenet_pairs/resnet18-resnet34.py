"""ResNet-18 <- ResNet-34: what the methods of this pair share."""

_base_ = '../../imagenet/resnet18.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/imagenet/resnet34.py', checkpoint='torchvision://resnet34.imagenet1k_v1'),
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
