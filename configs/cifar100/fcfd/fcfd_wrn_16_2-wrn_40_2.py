"""FCFD, WRN-16-2 <- WRN-40-2. Published top-1: a number that could not be read."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-wrn_40_2.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0)),
        dict(tap='features', loss=dict(type='luminet_det.FCFDLoss', tau=4.0, mixed_weight=0.2, feature_weight=5.0)),
    ],
)
optim_wrapper = dict(optimizer=dict(nesterov=True))
