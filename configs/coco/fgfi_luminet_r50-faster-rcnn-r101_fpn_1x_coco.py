"""FGFI on the neck and LumiNet on the RoI logits, the best pair on the digits: Faster R-CNN, R50 <- R101.

The weights are those of the digits; standardised maps held on photographs as well (docs/natural_images.md). LumiNet
has its defaults, not the setting of the paper's row.

    python tools/train.py configs/coco/fgfi_luminet_r50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './kd_r50-faster-rcnn-r101_fpn_1x_coco.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', standardize=True, loss_weight=2.5)),
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
