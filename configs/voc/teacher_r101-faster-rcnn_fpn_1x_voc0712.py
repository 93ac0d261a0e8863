"""The teacher: mmdet's Faster R-CNN for VOC on a ResNet-101. The zoo lists no weights for VOC, so it is trained first.

python tools/train.py configs/voc/teacher_r101-faster-rcnn_fpn_1x_voc0712.py
"""

_base_ = 'mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')))
randomness = dict(seed=0)
