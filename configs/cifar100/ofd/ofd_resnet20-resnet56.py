"""OFD, ResNet-20 <- ResNet-56. Published top-1: 70.98."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='features', relu='before', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001))
    ],
)
