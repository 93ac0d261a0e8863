"""AT, MobileNetV2 of half width <- VGG-13. Published top-1: 59.40."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(
    distill=[dict(tap='features', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))]
)
