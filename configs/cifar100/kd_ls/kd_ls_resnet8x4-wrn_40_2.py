"""KD + LS, ResNet-8x4 <- WRN-40-2. Published top-1: 77.11."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-wrn_40_2.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))]
)
