"""DML, ShuffleNetV1 and WRN-40-2, both from scratch. Published top-1: 72.76."""

_base_ = '../shufflenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/wrn_40_2.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
