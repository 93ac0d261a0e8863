"""RKD, VGG-8 <- ResNet-50 for 32 px. Published top-1: 71.50."""

_base_ = '../../_base_/cifar100_pairs/vgg8-resnet50_32px.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
