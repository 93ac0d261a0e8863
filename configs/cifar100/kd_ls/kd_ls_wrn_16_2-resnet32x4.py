"""KD + LS, WRN-16-2 <- ResNet-32x4. Published top-1: 75.26."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-resnet32x4.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))]
)
