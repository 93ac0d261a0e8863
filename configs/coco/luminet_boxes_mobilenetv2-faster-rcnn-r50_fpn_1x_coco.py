"""LumiNet on the RoI logits and the teacher's box deltas on the foreground RoIs: Faster R-CNN, MobileNetV2 <- R50.

The weights are ours: for detectors none are published.

    python tools/train.py configs/coco/luminet_boxes_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0)),
        dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss', loss_weight=1.0)),
    ]
)
