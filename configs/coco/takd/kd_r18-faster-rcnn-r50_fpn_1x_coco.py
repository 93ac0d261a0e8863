"""KD on the RoI logits: Faster R-CNN, R18 <- R50, an assistant; settings as in the other rows of KD.

python tools/train.py configs/coco/takd/kd_r18-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = '../plain_r18-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    # 40.3 box AP in mmdet's zoo; its weights are fetched on the first step.
    teacher='mmdet::faster_rcnn/faster-rcnn_r50_fpn_ms-3x_coco.py',
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=1.0))],
)
