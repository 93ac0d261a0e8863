"""DIST, WRN-40-1 <- WRN-40-2. Published top-1: 74.43 ± 0.24."""

_base_ = '../../_base_/cifar100_pairs/wrn_40_1-wrn_40_2.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=4.0, loss_weight=2.0))])
