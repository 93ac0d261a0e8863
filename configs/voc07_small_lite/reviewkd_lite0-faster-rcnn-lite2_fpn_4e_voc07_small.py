"""ReviewKD on all levels of the neck, with the published weight of its R18 on COCO.

python tools/train.py configs/voc07_small_lite/reviewkd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.ReviewKDLoss', loss_weight=1.2)),
    ]
)
