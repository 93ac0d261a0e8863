"""OFD, MobileNetV2 of half width <- ResNet-50 for 32 px. Published top-1: 69.04."""

_base_ = '../../_base_/cifar100_pairs/mobilenetv2_half-resnet50_32px.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(
            tap='features', relu='before', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001)
        )
    ],
)
