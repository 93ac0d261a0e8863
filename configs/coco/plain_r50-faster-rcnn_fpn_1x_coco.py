"""Faster R-CNN, R50 alone: the baseline of its distilled twins, on the same seed and schedule.

python tools/train.py configs/coco/plain_r50-faster-rcnn_fpn_1x_coco.py
"""

_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '../_base_/coco_ms_detection.py',
    '../_base_/schedule_180k.py',
]

randomness = dict(seed=0)
