"""The student alone: a quarter of the teacher's width in the backbone, half of it in neck and head, half its steps.

python tools/train.py configs/digits/retinanet_student.py --seed 0
"""

_base_ = './retinanet_teacher.py'

model = dict(
    backbone=dict(base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=32),
    bbox_head=dict(in_channels=32, feat_channels=32),
)

train_cfg = dict(max_iters=1500, val_interval=1500)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=1500, eta_min=0.0),
]
