"""DKD on the RoI logits with the settings of its authors' detection code: T = 1, weights 1 and 0.25.

python tools/train.py configs/coco/dkd_r18-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './plain_r18-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    # 41.8 AP, the zoo's nearest to the paper's 42.0 teacher; its weights are fetched on the first step.
    teacher='mmdet::faster_rcnn/faster-rcnn_r101_fpn_ms-3x_coco.py',
    distill=[
        dict(
            tap='roi_cls',
            rois='all',
            loss=dict(type='luminet_det.DKDLoss', tau=1.0, target_weight=1.0, non_target_weight=0.25),
        )
    ],
)
