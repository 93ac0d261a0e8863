"""RKD, ResNet-20 <- ResNet-110. Published top-1: 69.25."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
