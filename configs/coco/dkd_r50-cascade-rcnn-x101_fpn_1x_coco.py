"""DKD on the RoI logits: Cascade R-CNN, R50 <- X101-64x4d, 8 images a step.

Each stage learns from the same stage of the teacher; the term is the mean over the three stages.
The settings are those of the R18 <- R101 row of Faster R-CNN.

    python tools/train.py configs/coco/dkd_r50-cascade-rcnn-x101_fpn_1x_coco.py
"""

_base_ = './plain_r50-cascade-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    # 44.7 box AP in mmdet's zoo; its weights are fetched on the first step.
    teacher='mmdet::cascade_rcnn/cascade-rcnn_x101-64x4d_fpn_1x_coco.py',
    distill=[
        dict(
            tap='roi_cls',
            rois='all',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=0.25),
        )
    ],
)
