"""VGG-13 alone, a teacher. Published top-1: 74.64."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.vgg13', num_classes=100))
