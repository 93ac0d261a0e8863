"""SP, MobileNetV2 of half width <- VGG-13. Published top-1: 66.30, as recalled."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
