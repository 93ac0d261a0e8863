"""ResNet-8x4 alone, a student. Published top-1: 72.50."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet8x4', num_classes=100))
