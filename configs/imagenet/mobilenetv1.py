"""MobileNet-V1 alone, a student. Published top-1: 68.87."""

_base_ = '../_base_/imagenet.py'

model = dict(network=dict(type='luminet_det.mobilenetv1', num_classes=1000))
