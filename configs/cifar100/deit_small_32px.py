"""DeiT-small for 32 px alone, the teacher. Published top-1: 76.30, of a teacher trained differently."""

_base_ = '../_base_/deit_cifar100.py'

model = dict(network=dict(type='luminet_det.deit_small_32px', num_classes=100))
