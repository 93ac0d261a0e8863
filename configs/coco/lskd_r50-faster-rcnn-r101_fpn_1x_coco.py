"""LSKD on the RoI logits: Faster R-CNN, R50 <- R101.

The weights are ours: for detectors none are published.

    python tools/train.py configs/coco/lskd_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LSKDLoss', tau=2.0, loss_weight=1.0))]
)
