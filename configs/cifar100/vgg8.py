"""VGG-8 alone, a student. Published top-1: 70.36."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.vgg8', num_classes=100))
