"""KD, VGG-8 <- VGG-13. Published top-1: 72.98."""

_base_ = './vgg8.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(config='configs/cifar100/vgg13.py', checkpoint='work_dirs/vgg13/epoch_240.pth', fuse_conv_bn=True),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 73.1}),
]
