"""SP, ResNet-20 <- ResNet-110. Published top-1: 70.04."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
