"""DML, MobileNet-V1 and ResNet-50, both from scratch. Published top-1 / top-5: 71.35 / 90.31, as recalled."""

_base_ = '../mobilenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/imagenet/resnet50.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
