"""DML, WRN-16-2 and WRN-40-2, both from scratch. Published top-1: 73.58."""

_base_ = '../wrn_16_2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/wrn_40_2.py', trainable=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
