"""KD on the RoI logits: tau 1, weight 4, on all, its best of these on the digits (docs/roi_study.md).

python tools/train.py configs/voc07_small_lite/kd_all_rois_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=4.0)),
    ]
)
