"""DIST, ResNet-8x4 <- ResNet-32x4. Published top-1: 76.31 ± 0.19."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-resnet32x4.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=4.0, loss_weight=2.0))])
