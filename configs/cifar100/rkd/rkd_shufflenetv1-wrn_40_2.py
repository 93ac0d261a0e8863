"""RKD, ShuffleNetV1 <- WRN-40-2. Published top-1: 72.21."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-wrn_40_2.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
