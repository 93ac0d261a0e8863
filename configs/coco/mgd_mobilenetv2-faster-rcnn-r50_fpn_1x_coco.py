"""MGD on the first four levels of the neck, with the published weight and mask: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/mgd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='neck', levels=[0, 1, 2, 3], loss=dict(type='luminet_det.MGDLoss', masked=0.45, loss_weight=5e-07))
    ]
)
