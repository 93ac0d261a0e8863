"""RKD, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 64.43."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
