"""AT, WRN-16-2 <- WRN-40-2. Published top-1: 74.08."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-wrn_40_2.py'

model = dict(distill=[dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))])
