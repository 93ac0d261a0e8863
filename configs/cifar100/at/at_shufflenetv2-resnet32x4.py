"""AT, ShuffleNetV2 <- ResNet-32x4. Published top-1: 72.73."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv2-resnet32x4.py'

model = dict(distill=[dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))])
