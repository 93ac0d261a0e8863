"""TAKD on the RoI logits: Faster R-CNN, MobileNetV2 <- R18 <- R50; KD as in the row of MobileNetV2 <- R50.

The assistant is that of kd_r18-faster-rcnn-r50_fpn_1x_coco.py.

    python tools/train_chain.py configs/coco/takd/kd_r18-faster-rcnn-r50_fpn_1x_coco.py \\
        configs/coco/takd/takd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = '../plain_mobilenetv2-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(
        config='configs/coco/takd/kd_r18-faster-rcnn-r50_fpn_1x_coco.py',
        checkpoint='work_dirs/kd_r18-faster-rcnn-r50_fpn_1x_coco/iter_180000.pth',
    ),
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=1.0))],
)
