"""TAKD on the RoI logits: Faster R-CNN, R50 <- SE-ResNet-50 <- R101; KD as in the row of R50 <- R101.

The assistant is that of kd_seresnet50-faster-rcnn-r101_fpn_1x_coco.py.

    python tools/train_chain.py configs/coco/takd/kd_seresnet50-faster-rcnn-r101_fpn_1x_coco.py \\
        configs/coco/takd/takd_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = '../plain_r50-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(
        config='configs/coco/takd/kd_seresnet50-faster-rcnn-r101_fpn_1x_coco.py',
        checkpoint='work_dirs/kd_seresnet50-faster-rcnn-r101_fpn_1x_coco/iter_180000.pth',
    ),
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=1.0))],
)
