"""OFD, WRN-40-1 <- WRN-40-2. Published top-1: 74.33."""

_base_ = '../../_base_/cifar100_pairs/wrn_40_1-wrn_40_2.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='features', relu='before', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001))
    ],
)
