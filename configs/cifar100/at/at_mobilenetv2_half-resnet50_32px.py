"""AT, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 58.58."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(
    distill=[dict(tap='features', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))]
)
