"""KD, MobileNetV2 of half width <- ResNet-18. Nothing comparable is published."""

_base_ = './mobilenetv2_half.py'

work_dir = 'work_dirs/tiny_imagenet/kd_mobilenetv2_half-resnet18_32px'
model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/tiny_imagenet/resnet18_32px.py',
        checkpoint='work_dirs/tiny_imagenet/resnet18_32px/epoch_200.pth',
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [dict(type='luminet_det.ResultHook'), dict(type='luminet_det.TeacherEvaluationHook')]
