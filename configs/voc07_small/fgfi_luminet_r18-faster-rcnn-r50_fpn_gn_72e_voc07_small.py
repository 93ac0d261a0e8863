"""FGFI on the neck and LumiNet on the RoI logits, the pair that was best on the digits (docs/method_shootout.md).

FGFI sums over channels, of which there are 256 here and 64 there, where its weight was 0.16.

    python tools/train.py configs/voc07_small/fgfi_luminet_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py
"""

_base_ = './kd_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=0.04)),
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)),
    ]
)
