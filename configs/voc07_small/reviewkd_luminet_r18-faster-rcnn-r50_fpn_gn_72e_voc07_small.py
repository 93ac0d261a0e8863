"""ReviewKD on the neck and LumiNet on the RoI logits.

python tools/train.py configs/voc07_small/reviewkd_luminet_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py
"""

_base_ = './kd_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.2)),
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
