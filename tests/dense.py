"""Thin single-stage detectors for tests: mmdet's own configs with their widths cut."""

from copy import deepcopy

from mmengine import hub

CONFIGS = dict(
    retinanet='mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
    fcos='mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    atss='mmdet::atss/atss_r50_fpn_1x_coco.py',
    gfl='mmdet::gfl/gfl_r50_fpn_1x_coco.py',
    rtmdet='mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
)


def model(name: str, num_classes: int = 3, base_channels: int = 8, channels: int = 16) -> dict:
    """Model config of one of `CONFIGS`, for images of 64 px, randomly initialised, nothing frozen.

    Args:
        name: Its key in `CONFIGS`.
        num_classes: Classes without background.
        base_channels: Width of a ResNet's stem; RTMDet's backbone ignores it.
        channels: Width of neck and head.
    """
    cfg = hub.get_config(CONFIGS[name]).model.to_dict()
    cfg['data_preprocessor'] |= dict(pad_size_divisor=32)
    cfg['bbox_head'] |= dict(num_classes=num_classes, in_channels=channels, feat_channels=channels, stacked_convs=1)
    cfg['neck']['out_channels'] = channels
    if name == 'rtmdet':
        cfg['data_preprocessor']['batch_augments'] = None
        cfg['backbone'] |= dict(widen_factor=0.125, deepen_factor=0.1, init_cfg=None, norm_cfg=dict(type='BN'))
        cfg['neck'] |= dict(in_channels=[32, 64, 128], num_csp_blocks=1, norm_cfg=dict(type='BN'))
        cfg['bbox_head']['norm_cfg'] = dict(type='BN')
        return cfg
    cfg['backbone'] = dict(
        type='ResNet',
        depth=18,
        base_channels=base_channels,
        stem_channels=base_channels,
        frozen_stages=-1,
        norm_eval=False,
    )
    cfg['neck']['in_channels'] = [base_channels * 2**i for i in range(4)]
    if name != 'retinanet':
        cfg['bbox_head']['norm_cfg'] = dict(type='GN', num_groups=4, requires_grad=True)
    return deepcopy(cfg)
