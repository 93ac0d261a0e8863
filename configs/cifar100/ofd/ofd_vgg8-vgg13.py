"""OFD, VGG-8 <- VGG-13. Published top-1: 73.95."""

_base_ = '../../_base_/cifar100_pairs/vgg8-vgg13.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(
            tap='features', relu='before', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001)
        )
    ],
)
