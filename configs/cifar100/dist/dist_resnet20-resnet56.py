"""DIST, ResNet-20 <- ResNet-56. Published top-1: 71.75 ± 0.30."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=4.0, loss_weight=2.0))])
