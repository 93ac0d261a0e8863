"""TAKD, ResNet-20 <- ResNet-32 <- ResNet-56. Published top-1: 70.83.

The published assistant is not named; here it is that of kd_resnet32-resnet56.py.
"""

_base_ = '../resnet20.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/takd/kd_resnet32-resnet56.py',
        checkpoint='work_dirs/kd_resnet32-resnet56/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 69.6}),
]
