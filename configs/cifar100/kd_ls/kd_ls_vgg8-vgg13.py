"""KD + LS, VGG-8 <- VGG-13. Published top-1: 74.36."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=3.0, loss_weight=9.0))]
)
