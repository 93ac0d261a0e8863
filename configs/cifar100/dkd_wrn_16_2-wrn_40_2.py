"""DKD, WRN-16-2 <- WRN-40-2. Published top-1: 76.24."""

_base_ = './wrn_16_2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/cifar100/wrn_40_2.py', checkpoint='work_dirs/wrn_40_2/epoch_240.pth', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=4.0, target_weight=1.0, non_target_weight=6.0),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 74.1}),
]
