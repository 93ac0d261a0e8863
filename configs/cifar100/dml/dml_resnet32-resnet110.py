"""DML, ResNet-32 and ResNet-110, both from scratch. Published top-1: 72.03."""

_base_ = '../resnet32.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet110.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
