"""LumiNet on the RoI logits: tau 2, weight 16, on all, its best on the digits (docs/roi_study.md).

python tools/train.py configs/voc07_small_lite/luminet_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
