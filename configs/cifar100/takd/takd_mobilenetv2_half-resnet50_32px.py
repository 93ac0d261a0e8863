"""TAKD, MobileNetV2 of half width <- ShuffleNetV2 <- ResNet-50 for 32 px. Published top-1: 68.02.

The published assistant is not named; here it is that of kd_shufflenetv2-resnet50_32px.py.
"""

_base_ = '../mobilenetv2_half.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100/takd/kd_shufflenetv2-resnet50_32px.py',
        checkpoint='work_dirs/kd_shufflenetv2-resnet50_32px/epoch_240.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 70.3}),
]
