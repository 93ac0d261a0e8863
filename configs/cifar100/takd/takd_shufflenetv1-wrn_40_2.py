"""TAKD, ShuffleNetV1 <- ResNet-8x4 <- WRN-40-2. Published top-1: 75.34.

The published assistant is not named; here it is that of ../kd_resnet8x4-wrn_40_2.py.
"""

_base_ = '../shufflenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/kd_resnet8x4-wrn_40_2.py',
        checkpoint='work_dirs/kd_resnet8x4-wrn_40_2/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 71.0}),
]
