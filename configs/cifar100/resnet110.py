"""ResNet-110 alone, a teacher. Published top-1: 74.31."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet110', num_classes=100))
