"""Mask R-CNN, MobileNetV2 alone: the baseline of its distilled twins, on the same seed and schedule.

python tools/train.py configs/coco/plain_mobilenetv2-mask-rcnn_fpn_1x_coco.py
"""

_base_ = [
    '../_base_/mask-rcnn_mobilenetv2_fpn.py',
    '../_base_/coco_ms_instance.py',
    '../_base_/schedule_180k.py',
]

randomness = dict(seed=0)
