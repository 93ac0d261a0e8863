"""DML, ShuffleNetV2 and ResNet-32x4, both from scratch. Published top-1: 73.45."""

_base_ = '../shufflenetv2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet32x4.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
