"""SP, WRN-16-2 <- WRN-40-2. Published top-1: 73.83, as recalled."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-wrn_40_2.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
