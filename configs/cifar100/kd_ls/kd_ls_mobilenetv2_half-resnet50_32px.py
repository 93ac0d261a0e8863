"""KD + LS, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 69.02."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(
    ce_weight=0.1, distill=[dict(tap='logits', loss=dict(type='luminet_det.LSKDLoss', tau=3.0, loss_weight=1.0))]
)
