"""DIST, ShuffleNetV2 <- ResNet-32x4. Published top-1: 77.35 ± 0.25."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv2-resnet32x4.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=4.0, loss_weight=2.0))])
