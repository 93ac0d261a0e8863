"""RKD, VGG-8 <- VGG-13. Published top-1: 71.48."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
