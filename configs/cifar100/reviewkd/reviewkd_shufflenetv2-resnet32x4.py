"""ReviewKD, ShuffleNetV2 <- ResNet-32x4. Published top-1: 77.78."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv2-resnet32x4.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=8.0),
            warmup='20 epochs',
        )
    ]
)
