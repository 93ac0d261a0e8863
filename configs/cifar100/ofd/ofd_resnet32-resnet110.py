"""OFD, ResNet-32 <- ResNet-110. Published top-1: 73.23."""

_base_ = '../../_base_/cifar100_pairs/resnet32-resnet110.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='features', relu='before', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001))
    ],
)
