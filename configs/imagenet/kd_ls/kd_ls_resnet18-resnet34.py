"""KD + LS, ResNet-18 <- ResNet-34. Published top-1: 71.45 (its authors' log)."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))])
