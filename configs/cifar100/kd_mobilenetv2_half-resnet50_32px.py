"""KD, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 67.35."""

_base_ = './mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/resnet50_32px.py',
        checkpoint='work_dirs/resnet50_32px/epoch_240.pth',
        fuse_conv_bn=True,
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.8}),
]
