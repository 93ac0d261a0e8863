"""MLLD's part for one view on the RoI logits, foreground and as much background: Faster R-CNN, R18 <- R101.

The weight is ours: for detectors none is published.

    python tools/train.py configs/coco/mlld_r18-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r18-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='roi_cls', rois='balanced', loss=dict(type='luminet_det.MLLDLoss', tau=1.0, views=1, loss_weight=1e-4))
    ]
)
