"""OFD, ShuffleNetV1 <- ResNet-32x4. Published top-1: 75.98."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv1-resnet32x4.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='features', relu='before', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss', loss_weight=0.001))
    ],
)
