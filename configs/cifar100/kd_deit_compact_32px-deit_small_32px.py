"""KD, compact DeiT <- DeiT-small for 32 px. Published top-1: 67.38, settings unpublished."""

_base_ = './deit_compact_32px.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(config='configs/cifar100/deit_small_32px.py', checkpoint='work_dirs/deit_small_32px/epoch_300.pth'),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
custom_hooks = [dict(type='luminet_det.ResultHook'), dict(type='luminet_det.TeacherEvaluationHook')]
