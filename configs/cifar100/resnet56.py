"""ResNet-56 alone, a teacher. Published top-1: 72.34."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet56', num_classes=100))
