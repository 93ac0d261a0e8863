"""ReviewKD, ResNet-18 <- ResNet-34. Published top-1 / top-5: 71.61 / 90.51."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='before',
            stages=[1, 2, 3, 4],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.0),
        )
    ]
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=256)
