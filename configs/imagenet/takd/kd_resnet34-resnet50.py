"""KD, ResNet-34 <- ResNet-50, an assistant."""

_base_ = '../resnet34.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.5,
    teacher=dict(
        config='configs/imagenet/resnet50.py', checkpoint='torchvision://resnet50.imagenet1k_v1', fuse_conv_bn=True
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=0.5))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 75.6}),
]
