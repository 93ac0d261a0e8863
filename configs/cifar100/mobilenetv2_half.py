"""MobileNetV2 of half width alone, a student. Published top-1: 64.60."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.mobilenetv2_half', num_classes=100))
optim_wrapper = dict(optimizer=dict(lr=0.01))
