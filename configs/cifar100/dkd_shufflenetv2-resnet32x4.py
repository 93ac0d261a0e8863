"""DKD, ShuffleNetV2 <- ResNet-32x4. Published top-1: 77.07."""

_base_ = './shufflenetv2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(
        config='configs/cifar100/resnet32x4.py', checkpoint='work_dirs/resnet32x4/epoch_240.pth', fuse_conv_bn=True
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=4.0, target_weight=1.0, non_target_weight=8.0),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.9}),
]
