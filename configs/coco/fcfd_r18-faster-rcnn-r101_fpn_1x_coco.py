"""FCFD on neck and box head, with the published weights: Faster R-CNN, R18 <- R101.

python tools/train.py configs/coco/fcfd_r18-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r18-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FCFDDetLoss'))])
