"""FGFI on the neck and LumiNet on the RoI logits, the pair that was best on the digits (docs/method_shootout.md).

FGFI sums over channels, of which there are 128 here and 64 there, where its weight was 0.16.

python tools/train.py configs/voc07_small_lite/fgfi_luminet_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.08)),
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
