"""ReviewKD on the neck and DKD on the RoI logits, with the published weights: Faster R-CNN, R18 <- R101.

python tools/train.py configs/coco/reviewkd_dkd_r18-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r18-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.2)),
        dict(
            tap='roi_cls',
            rois='all',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=0.25),
        ),
    ]
)
