"""LumiNet, MobileNet-V1 <- ResNet-50, in papers "MobileNetV2". Published top-1: 72.55.

Batch and learning rate are half of the other methods', as published.
"""

_base_ = './mobilenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=1.0,
    teacher=dict(
        config='configs/imagenet/resnet50.py', checkpoint='torchvision://resnet50.imagenet1k_v1', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            # Statistics over all processes, as the published runs had the whole batch on one GPU.
            loss=dict(type='luminet_det.LumiNetLoss', tau=0.7, loss_weight=2.0**2, sync=True),
        )
    ],
)
# 32 on each of 8 GPUs.
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=256)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 75.6}),
]
