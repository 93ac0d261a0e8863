"""LumiNet, compact DeiT <- DeiT-small for 32 px. Published top-1: 68.42.

alpha, tau and ce_weight of this pair are unpublished; alpha / tau = 8.75 is the average of the published pairs.
"""

_base_ = './deit_compact_32px.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=2.0,
    teacher=dict(config='configs/cifar100/deit_small_32px.py', checkpoint='work_dirs/deit_small_32px/epoch_300.pth'),
    distill=[
        dict(
            tap='logits',
            loss=dict(type='luminet_det.LumiNetLoss', tau=4.0, loss_weight=35.0**2),
            warmup='20 epochs',
        )
    ],
)
custom_hooks = [dict(type='luminet_det.ResultHook'), dict(type='luminet_det.TeacherEvaluationHook')]
