"""TAKD, MobileNet-V1 <- ResNet-34 <- ResNet-50, in papers "MobileNetV2".

Published top-1 / top-5: 70.82 / 90.01, as recalled. The published assistant is not named; here it is that of
kd_resnet34-resnet50.py.
"""

_base_ = '../mobilenetv1.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.5,
    teacher=dict(
        config='configs/imagenet/takd/kd_resnet34-resnet50.py',
        checkpoint='work_dirs/kd_resnet34-resnet50/epoch_100.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=0.5))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 71.8}),
]
