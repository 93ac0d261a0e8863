"""ReviewKD on the neck and LumiNet on the RoI logits.

python tools/train.py configs/voc07_small_lite/reviewkd_luminet_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.2)),
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
