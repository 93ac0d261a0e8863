"""ReviewKD on all levels of the neck, with the published weight: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/reviewkd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=2.0))])
