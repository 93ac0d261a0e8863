"""ReviewKD, ResNet-32 <- ResNet-110. Published top-1: 73.89."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.0),
            warmup='20 epochs',
        )
    ]
)
