"""FGD on the first four levels of the neck, with the published weights: Faster R-CNN, R50 <- R101.

python tools/train.py configs/coco/fgd_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', levels=[0, 1, 2, 3], loss=dict(type='luminet_det.FGDLoss'))])
