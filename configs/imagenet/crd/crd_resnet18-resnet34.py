"""CRD, ResNet-18 <- ResNet-34. Published top-1 / top-5: 71.17 / 90.13."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', num_samples=1281167, loss_weight=0.8))]
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=256)
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
