"""ReviewKD, VGG-8 <- VGG-13. Published top-1: 74.84."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3, 4],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=5.0),
            warmup='20 epochs',
        )
    ]
)
