"""LumiNet on the RoI logits: Faster R-CNN, MobileNetV2 <- R50, 8 images a step.

The settings are those of the R18 <- R101 row of Faster R-CNN.

    python tools/train.py configs/coco/luminet_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './plain_mobilenetv2-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    # 40.3 box AP in mmdet's zoo; its weights are fetched on the first step.
    teacher='mmdet::faster_rcnn/faster-rcnn_r50_fpn_ms-3x_coco.py',
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0))],
)
