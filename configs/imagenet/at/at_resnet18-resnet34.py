"""AT, ResNet-18 <- ResNet-34. Published top-1 / top-5: 70.69 / 90.01."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(
    distill=[dict(tap='features', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))]
)
