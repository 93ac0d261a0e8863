"""FitNet, ResNet-20 <- ResNet-56. Published top-1: 69.21."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
