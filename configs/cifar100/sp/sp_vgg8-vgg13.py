"""SP, VGG-8 <- VGG-13. Published top-1: 72.68, as recalled."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
