"""FCFD, ResNet-8x4 <- ResNet-32x4. Published top-1: 76.80; that it belongs to this pair is our reading."""

_base_ = '../../_base_/cifar100_pairs/resnet8x4-resnet32x4.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0)),
        dict(tap='features', loss=dict(type='luminet_det.FCFDLoss', tau=4.0, mixed_weight=1.0, feature_weight=5.0)),
    ],
)
optim_wrapper = dict(optimizer=dict(nesterov=True))
