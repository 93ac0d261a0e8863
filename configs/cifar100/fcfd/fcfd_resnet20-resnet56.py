"""FCFD, ResNet-20 <- ResNet-56. Published top-1: 71.68; that it belongs to this pair is our reading."""

_base_ = '../../_base_/cifar100_pairs/resnet20-resnet56.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0)),
        dict(tap='features', loss=dict(type='luminet_det.FCFDLoss', tau=4.0, mixed_weight=1.0, feature_weight=0.02)),
    ],
)
optim_wrapper = dict(optimizer=dict(nesterov=True))
