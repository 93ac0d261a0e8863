"""FitNet, ShuffleNetV1 <- ResNet-32x4. Published top-1: 73.59."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-resnet32x4.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
