"""RKD, WRN-16-2 <- WRN-40-2. Published top-1: 73.35."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-wrn_40_2.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
