"""DKD, ResNet-18 <- ResNet-34. Published top-1 / top-5: 71.70 / 90.41."""

_base_ = './resnet18.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/imagenet/resnet34.py', checkpoint='torchvision://resnet34.imagenet1k_v1', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=0.5),
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
