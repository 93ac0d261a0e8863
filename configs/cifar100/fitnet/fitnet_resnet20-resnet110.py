"""FitNet, ResNet-20 <- ResNet-110. Published top-1: 68.99."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
