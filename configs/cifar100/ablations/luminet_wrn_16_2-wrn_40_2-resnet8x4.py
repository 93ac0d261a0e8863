"""LumiNet, WRN-16-2 <- the mean logits of WRN-40-2 and ResNet-8x4 (figure 4d). Published top-1: 76.52.

Logits are averaged before they are standardised; which comes first is unpublished.
"""

_base_ = '../luminet_wrn_16_2-wrn_40_2.py'

model = dict(
    teacher=[
        dict(config='configs/cifar100/wrn_40_2.py', checkpoint='work_dirs/wrn_40_2/epoch_240.pth'),
        dict(config='configs/cifar100/resnet8x4.py', checkpoint='work_dirs/resnet8x4/epoch_240.pth'),
    ]
)
# ResNet-8x4 alone has 72.50.
custom_hooks = [
    dict(type='luminet_det.ResultHook'),
    dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 71.0}),
]
