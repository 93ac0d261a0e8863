"""CRD, ShuffleNetV1 <- ResNet-32x4. Published top-1: 75.11."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-resnet32x4.py'

model = dict(distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', loss_weight=0.8))])
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
