"""TAKD, ResNet-32 <- ResNet-56 <- ResNet-110. Published top-1: 73.37.

The published assistant is not named; here it is that of kd_resnet56-resnet110.py.
"""

_base_ = '../resnet32.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/takd/kd_resnet56-resnet110.py',
        checkpoint='work_dirs/kd_resnet56-resnet110/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 70.8}),
]
