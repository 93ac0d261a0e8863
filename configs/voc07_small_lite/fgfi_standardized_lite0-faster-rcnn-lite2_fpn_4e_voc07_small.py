"""FGFI alone, on standardised maps, where its weight does not go with widths and magnitudes.

The weight was the best on the digits beside LumiNet, of four (docs/natural_images.md).

python tools/train.py configs/voc07_small_lite/fgfi_standardized_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py
"""

_base_ = './kd_lite0-faster-rcnn-lite2_fpn_4e_voc07_small.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', standardize=True, loss_weight=2.5))])
