"""LumiNet, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 70.97."""

_base_ = './mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=2.0,
    teacher=dict(
        config='configs/cifar100/resnet50_32px.py',
        checkpoint='work_dirs/resnet50_32px/epoch_240.pth',
        fuse_conv_bn=True,
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.LumiNetLoss', tau=8.0, loss_weight=70.0**2),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.8}),
]
