"""LumiNet on the RoI logits, with the setting of the COCO configs: tau 1, loss_weight 4.

python tools/train.py configs/voc07_small/luminet_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py
"""

_base_ = './kd_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py'

model = dict(
    distill=[
        dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0)),
    ]
)
