"""OFD, MobileNetV2 of half width <- VGG-13. Published top-1: 69.48."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-vgg13.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(
            tap='features', relu='before', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001)
        )
    ],
)
