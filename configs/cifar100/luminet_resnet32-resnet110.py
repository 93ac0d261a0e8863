"""LumiNet, ResNet-32 <- ResNet-110. Published top-1: 74.20.

alpha, tau and ce_weight of this pair are unpublished; alpha / tau = 8.75 is the average of the published pairs.
"""

_base_ = './resnet32.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=2.0,
    teacher=dict(
        config='configs/cifar100/resnet110.py', checkpoint='work_dirs/resnet110/epoch_240.pth', fuse_conv_bn=True
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
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
