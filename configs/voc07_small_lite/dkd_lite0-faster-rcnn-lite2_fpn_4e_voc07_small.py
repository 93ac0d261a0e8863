"""DKD on the RoI logits: tau 2, weights 1 and 0.25, on the foreground, its best on the digits (docs/roi_study.md).

python tools/train.py configs/voc07_small_lite/dkd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(
    distill=[
        dict(
            tap='roi_cls',
            rois='foreground',
            loss=dict(type='luminet_det.DKDLoss', tau=2.0, target_weight=1.0, non_target_weight=0.25),
        ),
    ]
)
