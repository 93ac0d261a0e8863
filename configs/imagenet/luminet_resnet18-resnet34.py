"""LumiNet, ResNet-18 <- ResNet-34. Published top-1: 72.16 (README of these settings; the paper's table has 71.78)."""

_base_ = './resnet18.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=1.0,
    teacher=dict(
        config='configs/imagenet/resnet34.py', checkpoint='torchvision://resnet34.imagenet1k_v1', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            # Statistics over all processes, as the published runs had the whole batch on one GPU.
            loss=dict(type='luminet_det.LumiNetLoss', tau=0.7, loss_weight=2.0**2, sync=True),
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
