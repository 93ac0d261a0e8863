"""RKD, MobileNetV2 of half width <- VGG-13. Published top-1: 64.52."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
