"""FitNet, ResNet-32 <- ResNet-110. Published top-1: 71.06."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
