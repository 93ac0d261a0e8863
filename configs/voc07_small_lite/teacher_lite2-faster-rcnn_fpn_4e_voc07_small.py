"""The teacher: the student's detector on an EfficientNet-Lite2, with twice its widths in neck and heads.

python tools/train.py configs/voc07_small_lite/teacher_lite2-faster-rcnn_fpn_4e_voc07_small.py
"""

_base_ = './plain_lite0-faster-rcnn_fpn_4e_voc07_small.py'

model = dict(
    backbone=dict(model_name='tf_efficientnet_lite2', pretrained='data/efficientnet_lite/tf_efficientnet_lite2.pth'),
    neck=dict(in_channels=[24, 48, 120, 352], out_channels=128),
    rpn_head=dict(in_channels=128, feat_channels=128),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=128),
        bbox_head=dict(in_channels=128, fc_out_channels=512),
    ),
)
