"""MGD, MobileNet-V1 <- ResNet-50. Published top-1: 72.49.

Batch and learning rate are ours.
"""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(
    distill=[
        dict(
            tap='features',
            stages=[-1],
            loss=dict(type='luminet_det.MGDLoss', mask='channels', masked=0.15, loss_weight=7e-05),
        )
    ]
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=256)
