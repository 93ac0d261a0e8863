"""TAKD, MobileNetV2 of half width <- VGG-8 <- VGG-13. Published top-1: 67.91.

The published assistant is not named; here it is that of ../kd_vgg8-vgg13.py.
"""

_base_ = '../mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/kd_vgg8-vgg13.py',
        checkpoint='work_dirs/kd_vgg8-vgg13/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 68.9}),
]
