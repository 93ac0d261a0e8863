"""AT, ResNet-8x4 <- ResNet-32x4. Published top-1: 73.44."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-resnet32x4.py'

model = dict(distill=[dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))])
