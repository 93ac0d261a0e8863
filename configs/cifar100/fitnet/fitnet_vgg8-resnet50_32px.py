"""FitNet, VGG-8 <- ResNet-50 for 32 px. Published top-1: 70.69."""

_base_ = '../../_base_/cifar100_pairs/vgg8-resnet50_32px.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
