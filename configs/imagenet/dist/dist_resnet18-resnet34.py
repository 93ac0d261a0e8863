"""DIST, ResNet-18 <- ResNet-34. Published top-1: 71.95 (torchdistill), 71.61 (mmrazor), 72.07 (its author)."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=1.0, loss_weight=2.0))])
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1, nesterov=True))
auto_scale_lr = dict(base_batch_size=256)
