"""The student alone on VOC 2007 + 2012, by mmdet's own dataset, schedule and metric.

python tools/train.py configs/voc/plain_r18-faster-rcnn_fpn_1x_voc0712.py
"""

_base_ = 'mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py'

model = dict(
    backbone=dict(depth=18, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
randomness = dict(seed=0)
