"""KD, VGG-11 <- VGG-13, an assistant."""

_base_ = '../../_base_/cifar100.py'

model = dict(
    type='luminet_det.DistillClassifier',
    network=dict(type='luminet_det.vgg11', num_classes=100),
    ce_weight=0.1,
    teacher=dict(config='configs/cifar100/vgg13.py', checkpoint='work_dirs/vgg13/epoch_240.pth'),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 73.1}),
]
