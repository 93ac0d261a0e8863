"""LumiNet, a genuine MobileNet-V2 <- ResNet-50. Nothing comparable is published; alpha,
tau and weights as for MobileNet-V1, batch and learning rate as for the other methods of this pair."""

_base_ = './mobilenetv2.py'

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
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 75.6}),
]
