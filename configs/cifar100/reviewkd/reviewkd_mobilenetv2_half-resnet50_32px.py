"""ReviewKD, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 69.89."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='after-before',
            stages=[1, 2, 3, 4],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=30.0),
            warmup='20 epochs',
        )
    ]
)
