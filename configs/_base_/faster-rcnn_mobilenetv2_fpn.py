"""Faster R-CNN on mmdet's MobileNetV2 with its ImageNet weights; as in ReviewKD, only the BN is frozen."""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV2',
        # ReviewKD's last level is index 6, of 320 channels. mmdet always builds the 1x1 convolution after it, index
        # 7: left out of the levels it would get no gradient, and training on several GPUs would stop.
        out_indices=(1, 2, 4, 7),
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        # Not torchvision's: its keys have other names, and would be skipped with only a warning.
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    ),
    neck=dict(in_channels=[24, 32, 96, 1280]),
)
