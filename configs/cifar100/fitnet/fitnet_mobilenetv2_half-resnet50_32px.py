"""FitNet, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 63.16."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(distill=[dict(tap='features', stages=[2], loss=dict(type='luminet_det.FitNetLoss', loss_weight=100.0))])
