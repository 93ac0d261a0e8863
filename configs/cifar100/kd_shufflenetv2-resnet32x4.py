"""KD, ShuffleNetV2 <- ResNet-32x4. Published top-1: 74.45."""

_base_ = './shufflenetv2.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/resnet32x4.py', checkpoint='work_dirs/resnet32x4/epoch_240.pth', fuse_conv_bn=True
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 77.9}),
]
