"""ResNet-32 alone, a student. Published top-1: 71.14."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet32', num_classes=100))
