"""SP, ResNet-32 <- ResNet-110. Published top-1: 72.69, as recalled."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
