"""ResNet-18 alone, a student. Published top-1 / top-5: 69.75 / 89.07."""

_base_ = '../_base_/imagenet.py'

model = dict(network=dict(type='luminet_det.TorchvisionNetwork', name='resnet18', num_classes=1000))
