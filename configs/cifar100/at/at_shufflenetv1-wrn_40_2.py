"""AT, ShuffleNetV1 <- WRN-40-2. Published top-1: 73.32."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-wrn_40_2.py'

model = dict(distill=[dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))])
