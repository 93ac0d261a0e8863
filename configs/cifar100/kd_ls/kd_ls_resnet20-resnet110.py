"""KD + LS, ResNet-20 <- ResNet-110. Published top-1: 71.48."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet110.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=4.0, loss_weight=12.0))]
)
