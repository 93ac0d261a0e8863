"""ResNet-20 alone, a student. Published top-1: 69.06."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet20', num_classes=100))
