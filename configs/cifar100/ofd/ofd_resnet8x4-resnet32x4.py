"""OFD, ResNet-8x4 <- ResNet-32x4. Published top-1: 74.95."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-resnet32x4.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='features', relu='before', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001))
    ],
)
