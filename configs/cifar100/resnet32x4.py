"""ResNet-32x4 alone, a teacher. Published top-1: 79.42."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet32x4', num_classes=100))
