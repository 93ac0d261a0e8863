"""MobileNet-V2 alone, a student: nothing is published with this recipe."""

_base_ = '../_base_/imagenet.py'

model = dict(network=dict(type='luminet_det.TorchvisionNetwork', name='mobilenet_v2', num_classes=1000))
