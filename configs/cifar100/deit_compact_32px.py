"""The compact DeiT for 32 px alone, the student. Published top-1: 65.46, settings unpublished."""

_base_ = '../_base_/deit_cifar100.py'

model = dict(network=dict(type='luminet_det.deit_compact_32px', num_classes=100))
