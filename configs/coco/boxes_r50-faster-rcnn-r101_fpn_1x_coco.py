"""The teacher's box deltas on the foreground RoIs: Faster R-CNN, R50 <- R101.

The weights are ours: for detectors none are published.

    python tools/train.py configs/coco/boxes_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(distill=[dict(tap='roi_reg', loss=dict(type='mmdet.L1Loss', loss_weight=1.0))])
