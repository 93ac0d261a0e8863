"""CRD, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2". Published top-1 / top-5: 71.37 / 90.41, as recalled."""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(
    distill=[dict(tap='embedding', loss=dict(type='luminet_det.CRDLoss', num_samples=1281167, loss_weight=0.8))]
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=256)
custom_hooks = [*_base_.custom_hooks, dict(type='luminet_det.TrainingLabelsHook')]
