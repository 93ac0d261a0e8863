"""The student alone: the teacher's detector on a ResNet-18, on the same seed and schedule.

python tools/train.py configs/voc07_small/plain_r18-faster-rcnn_fpn_gn_72e_voc07_small.py
"""

_base_ = './teacher_r50-faster-rcnn_fpn_gn_72e_voc07_small.py'

model = dict(backbone=dict(depth=18), neck=dict(in_channels=[64, 128, 256, 512]))
