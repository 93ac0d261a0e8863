"""DIST, MobileNet-V1 <- ResNet-50. Published top-1: 73.24, with a stronger recipe."""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(distill=[dict(tap='logits', loss=dict(type='luminet_det.DISTLoss', tau=1.0, loss_weight=2.0))])
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1, nesterov=True))
auto_scale_lr = dict(base_batch_size=256)
