"""PKD on the first four levels of the neck, with the published weight: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/pkd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', levels=[0, 1, 2, 3], loss=dict(type='luminet_det.PKDLoss', loss_weight=6.0))])
