"""ReviewKD, WRN-40-1 <- WRN-40-2. Published top-1: 75.09."""

_base_ = '../../_base_/cifar100_pairs/wrn_40_1-wrn_40_2.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=5.0),
            warmup='20 epochs',
        )
    ]
)
