"""FitNet, VGG-8 <- VGG-13. Published top-1: 71.02."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
