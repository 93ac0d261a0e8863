"""RKD, ShuffleNetV2 <- ResNet-32x4. Published top-1: 73.21."""

_base_ = '../../_base_/cifar100_pairs/shufflenetv2-resnet32x4.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss', distance_weight=25.0, angle_weight=50.0))]
)
