"""TAKD, ResNet-18 <- HRNet-W18-C-Small-v1 <- ResNet-34. Published top-1 / top-5: 70.78 / 90.16.

The published assistant is not named; here it is that of kd_hrnet_w18_small-resnet34.py.
"""

_base_ = '../resnet18.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.5,
    teacher=dict(
        config='configs/imagenet/takd/kd_hrnet_w18_small-resnet34.py',
        checkpoint='work_dirs/kd_hrnet_w18_small-resnet34/epoch_100.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=0.5))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 70.8}),
]
