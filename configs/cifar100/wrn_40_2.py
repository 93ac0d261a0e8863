"""WRN-40-2 alone, a teacher. Published top-1: 75.61."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.wrn_40_2', num_classes=100))
