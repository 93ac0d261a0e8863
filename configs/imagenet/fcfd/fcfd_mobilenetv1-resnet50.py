"""FCFD, MobileNet-V1 <- ResNet-50. No number for these settings was read."""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0)),
        dict(tap='features', loss=dict(type='luminet_det.FCFDLoss', tau=1.0, mixed_weight=1.0, feature_weight=5.0)),
    ],
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1, nesterov=True))
auto_scale_lr = dict(base_batch_size=256)
