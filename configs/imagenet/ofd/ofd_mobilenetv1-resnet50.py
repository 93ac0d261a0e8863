"""OFD, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2". Published top-1 / top-5: 71.25 / 90.34, as recalled."""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

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
