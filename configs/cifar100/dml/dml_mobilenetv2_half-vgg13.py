"""DML, MobileNetV2 of half width and VGG-13, both from scratch. Published top-1: 65.63."""

_base_ = '../mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/vgg13.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
