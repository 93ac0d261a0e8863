"""WRN-16-2 alone, a student. Published top-1: 73.26."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.wrn_16_2', num_classes=100))
