"""DKD on the RoI logits: Mask R-CNN, MobileNetV2 <- R50, 8 images a step.

The settings are those of the R18 <- R101 row of Faster R-CNN.

    python tools/train.py configs/coco/dkd_mobilenetv2-mask-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './plain_mobilenetv2-mask-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    # 40.9 box AP and 37.1 mask AP in mmdet's zoo; its weights are fetched on the first step.
    teacher='mmdet::mask_rcnn/mask-rcnn_r50_fpn_ms-poly-3x_coco.py',
    distill=[
        dict(
            tap='roi_cls',
            rois='all',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=0.25),
        )
    ],
)
