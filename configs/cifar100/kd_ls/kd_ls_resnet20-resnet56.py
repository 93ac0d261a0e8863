"""KD + LS, ResNet-20 <- ResNet-56. Published top-1: 71.43."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))]
)
