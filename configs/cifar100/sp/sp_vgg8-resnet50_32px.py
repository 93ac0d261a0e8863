"""SP, VGG-8 <- ResNet-50 for 32 px. Published top-1: 73.34, as recalled."""

_base_ = '../../_base_/cifar100_pairs/vgg8-resnet50_32px.py'

model = dict(distill=[dict(tap='features', stages=[-1], loss=dict(type='luminet_det.SPLoss', loss_weight=3000.0))])
