"""DIST on the RoI logits, with the temperature and weight of its ImageNet runs: Faster R-CNN, R50 <- R101.

python tools/train.py configs/coco/dist_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.DISTLoss', tau=1.0, loss_weight=2.0))]
)
