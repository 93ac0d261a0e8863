"""mmdet's own backbones: each trains as a student and answers as a teacher, in one real step on thin nets."""

import pytest

from tests.backbones.detectors import distilling_step, faster_rcnn

THIN = dict(base_channels=8, stem_channels=8, norm_eval=False, frozen_stages=-1)
BOTTLENECKS = [32, 64, 128, 256]
DEFORMABLE = dict(dcn=dict(type='DCN', deform_groups=1, fallback_on_stride=False))
BACKBONES = {
    'resnet': (dict(type='ResNet', depth=50, **THIN), BOTTLENECKS),
    'resnext': (dict(type='ResNeXt', depth=50, groups=4, base_width=4, **THIN), BOTTLENECKS),
    'res2net': (dict(type='Res2Net', depth=50, scales=4, base_width=4, **THIN), BOTTLENECKS),
    'regnet': (
        dict(type='RegNet', arch=dict(w0=8, wa=10.0, wm=2.0, group_w=4, depth=5, bot_mul=1.0), **THIN),
        [8, 16, 32, 64],
    ),
    'deformable resnet': (
        dict(type='ResNet', depth=50, stage_with_dcn=(False, True, True, True), **DEFORMABLE, **THIN),
        BOTTLENECKS,
    ),
    'modulated deformable resnet': (
        dict(
            type='ResNet',
            depth=50,
            stage_with_dcn=(False, True, True, True),
            dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
            **THIN,
        ),
        BOTTLENECKS,
    ),
    'mobilenetv2': (dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 7)), [8, 8, 24, 1280]),
    'swin': (
        dict(type='SwinTransformer', embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8), window_size=4),
        [8, 16, 32, 64],
    ),
    'pvt': (
        dict(
            type='PyramidVisionTransformer',
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 2, 4, 8],
            mlp_ratios=[2, 2, 2, 2],
        ),
        [8, 16, 32, 64],
    ),
    'pvt v2': (
        dict(
            type='PyramidVisionTransformerV2',
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 2, 4, 8],
            mlp_ratios=[2, 2, 2, 2],
        ),
        [8, 16, 32, 64],
    ),
}


@pytest.mark.parametrize('name', BACKBONES)
def test_it_trains_as_a_student_and_answers_as_a_teacher(name, tmp_path):
    distilling_step(faster_rcnn(*BACKBONES[name]), tmp_path)
