"""TAKD, WRN-40-1 <- WRN-16-2 <- WRN-40-2. Published top-1: 73.78.

The published assistant is not named; here it is that of ../kd_wrn_16_2-wrn_40_2.py.
"""

_base_ = '../wrn_40_1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/kd_wrn_16_2-wrn_40_2.py',
        checkpoint='work_dirs/kd_wrn_16_2-wrn_40_2/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 71.8}),
]
