"""AT, ResNet-20 <- ResNet-110. Published top-1: 70.22."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

model = dict(distill=[dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))])
