"""KD on the RoI logits: tau 1, weight 4, on all, its best of these on the digits (docs/roi_study.md).

python tools/train.py configs/voc07_small/kd_all_rois_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py
"""

_base_ = './kd_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=4.0)),
    ]
)
