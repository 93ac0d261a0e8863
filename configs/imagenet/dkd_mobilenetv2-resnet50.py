"""DKD, a genuine MobileNet-V2 <- ResNet-50. Nothing comparable is published; settings as for MobileNet-V1."""

_base_ = './mobilenetv2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/imagenet/resnet50.py', checkpoint='torchvision://resnet50.imagenet1k_v1', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=2.0),
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 75.6}),
]
