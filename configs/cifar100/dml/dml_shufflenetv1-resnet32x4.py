"""DML, ShuffleNetV1 and ResNet-32x4, both from scratch. Published top-1: 72.89."""

_base_ = '../shufflenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet32x4.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
