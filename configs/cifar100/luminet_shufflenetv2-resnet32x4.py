"""LumiNet, ShuffleNetV2 <- ResNet-32x4. Published top-1: 77.55.

alpha, tau and ce_weight of this pair are unpublished; alpha / tau = 8.75 is the average of the published pairs.
"""

_base_ = './shufflenetv2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=2.0,
    teacher=dict(
        config='configs/cifar100/resnet32x4.py', checkpoint='work_dirs/resnet32x4/epoch_240.pth', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.LumiNetLoss', tau=4.0, loss_weight=35.0**2),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.9}),
]
