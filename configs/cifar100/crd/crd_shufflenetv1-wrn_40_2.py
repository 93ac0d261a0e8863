"""CRD, ShuffleNetV1 <- WRN-40-2. Published top-1: 76.05."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-wrn_40_2.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
