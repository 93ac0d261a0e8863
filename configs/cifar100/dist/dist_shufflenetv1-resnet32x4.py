"""DIST, ShuffleNetV1 <- ResNet-32x4. Published top-1: 76.34 ± 0.18."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-resnet32x4.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=4.0, loss_weight=2.0))])
