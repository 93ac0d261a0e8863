"""DML, VGG-8 and VGG-13, both from scratch. Published top-1: 71.79."""

_base_ = '../vgg8.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/vgg13.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
