"""ReviewKD on all levels of the neck, with the published weight: Faster R-CNN, R50 <- R101.

python tools/train.py configs/coco/reviewkd_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.0))])
