"""DML on the RoI logits: two Faster R-CNNs, MobileNetV2 and R50, that train together.

Both start from ImageNet weights. For detectors nothing is published.

    python tools/train.py configs/coco/dml_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './plain_mobilenetv2-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    teacher=dict(config='mmdet::faster_rcnn/faster-rcnn_r50_fpn_ms-3x_coco.py', trainable=True),
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0))],
)
