"""FitNet, MobileNetV2 of half width <- VGG-13. Published top-1: 64.14."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
