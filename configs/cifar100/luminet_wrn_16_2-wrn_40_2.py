"""LumiNet, WRN-16-2 <- WRN-40-2. Published top-1: 76.38.

alpha, tau and ce_weight of this pair are unpublished; alpha / tau = 8.75 is the average of the published pairs.
"""

_base_ = './wrn_16_2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=1.0,
    teacher=dict(
        config='configs/cifar100/wrn_40_2.py', checkpoint='work_dirs/wrn_40_2/epoch_240.pth', fuse_conv_bn=True
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
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 74.1}),
]
