"""OFD, WRN-16-2 <- WRN-40-2. Published top-1: 75.24."""

_base_ = '../../_base_/cifar100_pairs/wrn_16_2-wrn_40_2.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='features', relu='before', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001))
    ],
)
