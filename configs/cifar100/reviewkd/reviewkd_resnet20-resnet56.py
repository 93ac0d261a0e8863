"""ReviewKD, ResNet-20 <- ResNet-56. Published top-1: 71.89."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=0.6),
            warmup='20 epochs',
        )
    ]
)
