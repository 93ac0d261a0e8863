"""ResNet-50 alone, a teacher. Published top-1 / top-5, of torchvision's first weights: 76.16 / 92.86."""

_base_ = '../_base_/imagenet.py'

model = dict(network=dict(type='luminet_det.TorchvisionNetwork', name='resnet50', num_classes=1000))
