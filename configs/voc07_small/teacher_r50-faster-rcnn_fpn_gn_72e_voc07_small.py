"""The teacher: Faster R-CNN R50, GroupNorm, 72 epochs from scratch.

python tools/train.py configs/voc07_small/teacher_r50-faster-rcnn_fpn_gn_72e_voc07_small.py
"""

_base_ = [
    '../_base_/faster-rcnn_r50_fpn_gn_256px.py',
    '../_base_/voc07_small.py',
    '../_base_/schedule_scratch_72e.py',
]
