"""The teacher: a RetinaNet on a ResNet-18 of half the usual width, trained from scratch, 3,000 steps.

python tools/train.py configs/digits/retinanet_teacher.py --seed 0
"""

_base_ = [
    '../_base_/retinanet_r18_fpn_128px.py',
    '../_base_/digits_detection.py',
    '../_base_/quickstart_schedule.py',
]

train_cfg = dict(max_iters=3000, val_interval=3000)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=3000, eta_min=0.0),
]
