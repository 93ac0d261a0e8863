"""DIST, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 68.66 ± 0.23."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=4.0, loss_weight=2.0))])
