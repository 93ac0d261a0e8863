"""AT, WRN-40-1 <- WRN-40-2. Published top-1: 72.77."""

_base_ = '../../_base_/cifar100_pairs/wrn_40_1-wrn_40_2.py'

model = dict(distill=[dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))])
