"""KD, ResNet-18 <- ResNet-34. Published top-1: 71.03 (mdistiller, these settings; the paper's table has 70.66)."""

_base_ = './resnet18.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.5,
    teacher=dict(
        config='configs/imagenet/resnet34.py', checkpoint='torchvision://resnet34.imagenet1k_v1', fuse_conv_bn=True
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=0.5))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 72.8}),
]
