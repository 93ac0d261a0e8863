"""ShuffleNetV2 alone, a student. Published top-1: 71.82."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.shufflenetv2', num_classes=100))
optim_wrapper = dict(optimizer=dict(lr=0.01))
