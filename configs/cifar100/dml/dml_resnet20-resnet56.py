"""DML, ResNet-20 and ResNet-56, both from scratch. Published top-1: 69.52."""

_base_ = '../resnet20.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/resnet56.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
