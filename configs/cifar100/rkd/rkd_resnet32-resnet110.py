"""RKD, ResNet-32 <- ResNet-110. Published top-1: 71.82."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
