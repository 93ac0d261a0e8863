"""CRD, ResNet-32 <- ResNet-110. Published top-1: 73.48."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
