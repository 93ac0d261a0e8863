"""DKD, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 70.35."""

_base_ = './mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/cifar100/resnet50_32px.py',
        checkpoint='work_dirs/resnet50_32px/epoch_240.pth',
        fuse_conv_bn=True,
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=4.0, target_weight=1.0, non_target_weight=8.0),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.8}),
]
