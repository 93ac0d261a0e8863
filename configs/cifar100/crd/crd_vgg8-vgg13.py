"""CRD, VGG-8 <- VGG-13. Published top-1: 73.94."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
