"""AT, VGG-8 <- ResNet-50 for 32 px. Published top-1: 71.84."""

_base_ = '../../_base_/cifar100_pairs/vgg8-resnet50_32px.py'

model = dict(
    distill=[dict(tap='features', stages=[1, 2, 3, 4], loss=dict(type='luminet_det.ATLoss', loss_weight=1000.0))]
)
