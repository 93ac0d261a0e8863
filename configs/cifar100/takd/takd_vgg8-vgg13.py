"""TAKD, VGG-8 <- VGG-11 <- VGG-13. Published top-1: 73.23.

The published assistant is not named; here it is that of kd_vgg11-vgg13.py. We know no accuracy of VGG-11 alone with
this recipe, so the minimum that it must reach is derived from that of VGG-8.
"""

_base_ = '../vgg8.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/takd/kd_vgg11-vgg13.py',
        checkpoint='work_dirs/kd_vgg11-vgg13/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 68.9}),
]
