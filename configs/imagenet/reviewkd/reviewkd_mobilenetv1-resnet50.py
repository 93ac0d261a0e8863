"""ReviewKD, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2".

Published top-1 / top-5: 72.56 / 91.00, the latter as recalled.
"""

_base_ = '../../_base_/imagenet_pairs/mobilenetv1-resnet50.py'

model = dict(
    distill=[
        dict(
            tap='features',
            relu='before',
            stages=[1, 2, 3, 4],
            pooled=True,
            loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=8.0),
        )
    ]
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=256)
