"""FGD on the first four levels of the neck, with the published weights: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/fgd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', levels=[0, 1, 2, 3], loss=dict(type='luminet_det.FGDLoss'))])
