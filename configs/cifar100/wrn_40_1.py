"""WRN-40-1 alone, a student. Published top-1: 71.98."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.wrn_40_1', num_classes=100))
