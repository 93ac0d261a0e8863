"""MGD on the first four levels of the neck, with the published weight and mask: Faster R-CNN, R18 <- R101.

python tools/train.py configs/coco/mgd_r18-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r18-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='neck', levels=[0, 1, 2, 3], loss=dict(type='luminet_det.MGDLoss', masked=0.45, loss_weight=5e-07))
    ]
)
