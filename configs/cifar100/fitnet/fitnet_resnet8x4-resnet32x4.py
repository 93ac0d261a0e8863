"""FitNet, ResNet-8x4 <- ResNet-32x4. Published top-1: 73.50."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-resnet32x4.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
