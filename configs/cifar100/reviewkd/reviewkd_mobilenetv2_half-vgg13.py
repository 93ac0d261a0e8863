"""ReviewKD, MobileNetV2 of half width <- VGG-13. Published top-1: 70.37.

The weight is our choice: we do not know the published one of this pair.
"""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3, 4],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=8.0),
            warmup='20 epochs',
        )
    ]
)
