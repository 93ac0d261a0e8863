"""MobileNet-V1 <- ResNet-50: what the methods of this pair share."""

_base_ = '../../imagenet/mobilenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/imagenet/resnet50.py', checkpoint='torchvision://resnet50.imagenet1k_v1'),
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 75.6}),
]
