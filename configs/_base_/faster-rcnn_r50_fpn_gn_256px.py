"""Faster R-CNN R50-FPN of the stock widths for images of 256 px, 20 classes, trained from scratch with GroupNorm.

GroupNorm in backbone, neck and box head, no frozen stage and a box head of four convolutions are those of mmdet's
scratch/faster-rcnn_r50-scratch_fpn_gn-all_6x_coco (He et al., "Rethinking ImageNet Pre-training", 2019).
"""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

norm_cfg = dict(type='GN', num_groups=32, requires_grad=True)

model = dict(
    backbone=dict(frozen_stages=-1, zero_init_residual=False, norm_cfg=norm_cfg, init_cfg=None),
    neck=dict(norm_cfg=norm_cfg),
    # Half the pixel sizes of stock configs: their images are four times as large, and objects here 2 to 256 px.
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(finest_scale=28),
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=norm_cfg, num_classes=20),
    ),
    # A sixteenth of the pixels has room for a quarter of the RoIs; 512 would be nearly all background.
    train_cfg=dict(rcnn=dict(sampler=dict(num=128))),
    # Not the stock 0.05: after the first epochs from scratch few scores are higher than that.
    test_cfg=dict(rcnn=dict(score_thr=0.01)),
)
