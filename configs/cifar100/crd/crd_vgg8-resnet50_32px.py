"""CRD, VGG-8 <- ResNet-50 for 32 px. Published top-1: 74.30."""

_base_ = '../../_base_/cifar100_pairs/vgg8-resnet50_32px.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
