"""The student alone: Faster R-CNN on an EfficientNet-Lite0.

python tools/train.py configs/voc07_small_lite/plain_lite0-faster-rcnn_fpn_4e_voc07_small.py
"""

_base_ = [
    '../_base_/faster-rcnn_efficientnet-lite0_fpn_160px.py',
    '../_base_/voc07_small_160px.py',
    '../_base_/schedule_finetune_4e.py',
]
