"""SP, ResNet-20 <- ResNet-56. Published top-1: 69.67, as recalled."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
