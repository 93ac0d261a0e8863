"""ResNet-34 alone, a teacher. Published top-1 / top-5, of torchvision's weights: 73.31 / 91.42."""

_base_ = '../_base_/imagenet.py'

model = dict(network=dict(type='luminet_det.TorchvisionNetwork', name='resnet34', num_classes=1000))
