"""KD, HRNet-W18-C-Small-v1 of timm <- ResNet-34, an assistant."""

_base_ = '../../_base_/imagenet.py'

model = dict(
    type='luminet_det.DistillClassifier',
    network=dict(type='luminet_det.TimmNetwork', name='hrnet_w18_small', num_classes=1000),
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
