"""RKD, WRN-40-1 <- WRN-40-2. Published top-1: 72.22."""

_base_ = '../../_base_/cifar100_pairs/wrn_40_1-wrn_40_2.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
