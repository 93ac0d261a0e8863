"""OFD, ResNet-18 <- ResNet-34. Published top-1 / top-5: 70.81 / 89.98."""

_base_ = '../../_base_/imagenet_pairs/resnet18-resnet34.py'

model = dict(
    teacher=dict(batch_statistics=True),
    distill=[
        dict(
            tap='features',
            relu='before',
            stages=[1, 2, 3, 4],
            loss=dict(type='luminet_det.OFDLoss', loss_weight=0.0001),
        )
    ],
)
# 16 on each of 8 GPUs.
train_dataloader = dict(batch_size=16)
optim_wrapper = dict(optimizer=dict(lr=0.05))
auto_scale_lr = dict(base_batch_size=128)
