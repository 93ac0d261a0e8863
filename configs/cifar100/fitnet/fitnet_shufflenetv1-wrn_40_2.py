"""FitNet, ShuffleNetV1 <- WRN-40-2. Published top-1: 73.73."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-wrn_40_2.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
