"""DML, ResNet-18 and ResNet-34, both from scratch. Published top-1 / top-5: 70.82 / 90.02."""

_base_ = '../resnet18.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/imagenet/resnet34.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
