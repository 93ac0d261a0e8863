"""FCFD on neck and box head, with the published weights: Faster R-CNN, R50 <- R101.

python tools/train.py configs/coco/fcfd_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FCFDDetLoss'))])
