"""CRD, MobileNetV2 of half width <- VGG-13. Published top-1: 69.73."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
