"""CRD, ResNet-20 <- ResNet-110. Published top-1: 71.46."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
