"""ReviewKD, ShuffleNetV1 <- WRN-40-2. Published top-1: 77.14."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-wrn_40_2.py'

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
