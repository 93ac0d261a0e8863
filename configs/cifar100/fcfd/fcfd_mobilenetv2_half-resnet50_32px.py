"""FCFD, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 71.07."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=8.0)),
        dict(tap='features', loss=dict(type='luminet_det.FCFDLoss', tau=8.0, mixed_weight=1.0, feature_weight=5.0)),
    ],
)
optim_wrapper = dict(optimizer=dict(nesterov=True))
