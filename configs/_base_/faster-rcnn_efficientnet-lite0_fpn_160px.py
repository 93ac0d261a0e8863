"""Faster R-CNN FPN on an EfficientNet-Lite0 with ImageNet's weights, for images of 160 px, 20 classes.

A neck of 64 channels and one hidden width of 256 in the box head, for a processor without an accelerator.
"""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    # What these weights were trained with: (pixel - 127.5) / 127.5, RGB.
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        _delete_=True,
        type='luminet_det.TimmBackbone',
        model_name='tf_efficientnet_lite0',
        out_indices=(1, 2, 3, 4),
        pretrained='data/efficientnet_lite/tf_efficientnet_lite0.pth',
        frozen_stages=2,
        norm_eval=True,
    ),
    neck=dict(in_channels=[24, 40, 112, 320], out_channels=64),
    # Objects here are 8 to 120 px large; the pixel sizes in stock configs are for images of 800 px.
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, finest_scale=20, roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=20),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=300), rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=300), rcnn=dict(score_thr=0.01)),
)
