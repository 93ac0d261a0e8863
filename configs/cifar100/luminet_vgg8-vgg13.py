"""LumiNet, VGG-8 <- VGG-13. Published top-1: 74.94."""

_base_ = './vgg8.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=1.0,
    teacher=dict(config='configs/cifar100/vgg13.py', checkpoint='work_dirs/vgg13/epoch_240.pth', fuse_conv_bn=True),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.LumiNetLoss', tau=8.0, loss_weight=70.0**2),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 73.1}),
]
