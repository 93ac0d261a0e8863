"""SP, ShuffleNetV2 <- ResNet-32x4. Published top-1: 74.56, as recalled."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv2-resnet32x4.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
