"""The teacher: a ResNet-18 of half the usual width, trained from scratch."""

_base_ = [
    '../_base_/faster-rcnn_r18_fpn_128px.py',
    '../_base_/digits_detection.py',
    '../_base_/quickstart_schedule.py',
]
