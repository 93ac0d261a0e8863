"""KD + LS, WRN-16-2 <- WRN-40-2. Published top-1: 76.11."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-wrn_40_2.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))]
)
