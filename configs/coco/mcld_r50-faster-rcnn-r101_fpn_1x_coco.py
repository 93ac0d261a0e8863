"""MCLD (our reconstruction) on the RoI logits, foreground and as much background: Faster R-CNN, R50 <- R101.

The weights are ours: for detectors none are published.

    python tools/train.py configs/coco/mcld_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(
            tap='roi_cls',
            rois='balanced',
            loss=dict(type='luminet_det.MCLDLoss', center_categories=True, loss_weight=0.1),
        )
    ]
)
