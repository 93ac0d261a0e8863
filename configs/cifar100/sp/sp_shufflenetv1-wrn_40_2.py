"""SP, ShuffleNetV1 <- WRN-40-2. Published top-1: 74.52, as recalled."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-wrn_40_2.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
