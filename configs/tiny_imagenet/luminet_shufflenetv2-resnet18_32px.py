"""LumiNet, ShuffleNetV2 <- ResNet-18. Nothing is published.

alpha / tau = 8.75 is the average of the published pairs of CIFAR-100; ce_weight and warm-up as there.
"""

_base_ = './shufflenetv2.py'

work_dir = 'work_dirs/tiny_imagenet/luminet_shufflenetv2-resnet18_32px'
model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=2.0,
    teacher=dict(
        config='configs/tiny_imagenet/resnet18_32px.py',
        checkpoint='work_dirs/tiny_imagenet/resnet18_32px/epoch_200.pth',
    ),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.LumiNetLoss', tau=4.0, loss_weight=35.0**2),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [dict(type='luminet_det.ResultHook'), dict(type='luminet_det.TeacherEvaluationHook')]
