"""KD + LS, ResNet-32 <- ResNet-110. Published top-1: 74.17."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=9.0))]
)
