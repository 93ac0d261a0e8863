"""DKD, ResNet-32 <- ResNet-110. Published top-1: 74.11."""

_base_ = './resnet32.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/cifar100/resnet110.py', checkpoint='work_dirs/resnet110/epoch_240.pth', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=4.0, target_weight=1.0, non_target_weight=2.0),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
