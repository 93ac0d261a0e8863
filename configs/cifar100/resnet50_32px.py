"""ResNet-50 for 32 px alone, a teacher. Published top-1: 79.34."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.resnet50_32px', num_classes=100))
