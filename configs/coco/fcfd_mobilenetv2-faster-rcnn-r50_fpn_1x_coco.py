"""FCFD on neck and box head, with the published weights: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/fcfd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FCFDDetLoss'))])
