"""FCFD, ResNet-18 <- ResNet-34. No number for these settings was read."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0)),
        dict(tap='features', loss=dict(type='luminet_det.FCFDLoss', tau=1.0, mixed_weight=1.0, feature_weight=0.02)),
    ],
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1, nesterov=True))
auto_scale_lr = dict(base_batch_size=256)
