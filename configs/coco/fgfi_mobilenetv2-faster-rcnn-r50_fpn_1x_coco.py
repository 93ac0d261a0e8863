"""FGFI near objects, on all levels of the neck: Faster R-CNN, MobileNetV2 <- R50.

The published weight; without the published ReLU, as the neck's maps have both signs.

    python tools/train.py configs/coco/fgfi_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.01))])
