"""ReviewKD on the neck and DKD on the RoI logits, with the published weights: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/reviewkd_dkd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=2.0)),
        dict(
            tap='roi_cls',
            rois='all',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=0.25),
        ),
    ]
)
