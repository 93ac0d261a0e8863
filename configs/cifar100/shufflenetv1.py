"""ShuffleNetV1 alone, a student. Published top-1: 70.50."""

_base_ = '../_base_/cifar100.py'

model = dict(network=dict(type='luminet_det.shufflenetv1', num_classes=100))
optim_wrapper = dict(optimizer=dict(lr=0.01))
