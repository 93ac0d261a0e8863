"""DKD, MobileNetV2 of half width <- VGG-13. Published top-1: 69.71."""

_base_ = './mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    teacher=dict(config='configs/cifar100/vgg13.py', checkpoint='work_dirs/vgg13/epoch_240.pth', fuse_conv_bn=True),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.DKDLoss', tau=4.0, target_weight=1.0, non_target_weight=6.0),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 73.1}),
]
