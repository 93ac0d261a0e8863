"""FGFI alone, on standardised maps, where its weight does not go with widths and magnitudes.

The weight was the best on the digits beside LumiNet, of four (docs/natural_images.md).

    python tools/train.py configs/voc07_small/fgfi_standardized_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py
"""

_base_ = './kd_r18-faster-rcnn-r50_fpn_gn_72e_voc07_small.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', standardize=True, loss_weight=2.5))])
