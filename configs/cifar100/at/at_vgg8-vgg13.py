"""AT, VGG-8 <- VGG-13. Published top-1: 71.43."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(
    distill=[dict(tap='features', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))]
)
