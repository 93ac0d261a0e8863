"""TAKD, WRN-16-2 <- ResNet-110 <- WRN-40-2. Published top-1: 75.12.

The published assistant is not named; here it is that of kd_resnet110-wrn_40_2.py.
"""

_base_ = '../wrn_16_2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/takd/kd_resnet110-wrn_40_2.py',
        checkpoint='work_dirs/kd_resnet110-wrn_40_2/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
