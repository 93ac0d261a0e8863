"""DML, MobileNetV2 of half width and ResNet-50 for 32 px, both from scratch. Published top-1: 65.71."""

_base_ = '../mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet50_32px.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
