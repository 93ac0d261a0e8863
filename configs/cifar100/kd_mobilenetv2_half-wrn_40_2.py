"""KD, MobileNetV2 of half width <- WRN-40-2. Published top-1: 68.36."""

_base_ = './mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/wrn_40_2.py', checkpoint='work_dirs/wrn_40_2/epoch_240.pth', fuse_conv_bn=True
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 74.1}),
]
