"""docs/swapping_backbones.md: its configs fit their backbones and take a step; its table is what timm reports."""

import ast
import re
from copy import deepcopy
from pathlib import Path

import pytest
import timm
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS
from mmengine import hub
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from luminet_det.backbones import TimmBackbone, check_neck
from tests import pairs
from tests.test_configs import narrow

PAGE = (Path(__file__).parents[2] / 'docs' / 'swapping_backbones.md').read_text()
BLOCKS = re.findall(r'```python\n(# \S+\n.*?)```', PAGE, re.S)
FOLDER = 'configs/swapped'
FILES = ['mobilenetv3', 'mobilenetv3_distilled', 'swin', 'swin_distilled', 'r50_from_swin', 'vit']
DISTILLED = ['mobilenetv3_distilled', 'swin_distilled', 'r50_from_swin']
# For each network on the page, a smaller one of the same kind with the same number of levels and the same strides.
SMALLER = {
    'mobilenetv3_large_100': dict(model_name='mobilenetv3_small_050'),
    'swin_tiny_patch4_window7_224': dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), window_size=4),
    'vit_small_patch16_224': dict(embed_dim=24, depth=12, num_heads=2),
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes each config of the page to the file that it names; returns a function that reads one."""
    for block in BLOCKS:
        path = tmp_path / re.match(r'# (\S+)\n', block)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)
    monkeypatch.chdir(tmp_path)
    return lambda name: Config.fromfile(f'{FOLDER}/{name}.py', format_python_code=False)


def smaller(model: dict) -> dict:
    """The model of a config of the page or of a zoo teacher, with thin layers and random weights."""
    backbone = deepcopy(model.backbone)
    model.backbone = dict(type='ResNet', depth=50)
    thin = narrow(model)
    if backbone.type == 'luminet_det.TimmBackbone':
        thin['backbone'] = dict(backbone, **SMALLER[backbone.model_name], pretrained=False, frozen_stages=-1)
        thin['neck']['in_channels'] = MODELS.build(thin['backbone']).channels
    elif backbone.type == 'SwinTransformer':
        swin = dict(embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8), window_size=4)
        thin['backbone'] = dict(type='SwinTransformer', **swin)
        thin['neck']['in_channels'] = [8, 16, 32, 64]
    return thin


def test_every_block_with_a_file_name_is_one_of_these():
    assert [re.match(r'# (\S+)\n', block)[1] for block in BLOCKS] == [f'{FOLDER}/{name}.py' for name in FILES]
    for command in re.findall(r'tools/train.py (\S+)', PAGE):
        assert Path(command).stem in FILES


@pytest.mark.parametrize('name', [name for name in FILES if name != 'r50_from_swin'])
def test_neck_and_heads_fit_the_backbone_of_the_full_size(name, config):
    model = config(name).model
    for key in ('teacher', 'distill'):
        model.pop(key, None)
    model.type = 'FasterRCNN'
    with torch.device('meta'):
        check_neck(MODELS.build(model))


@pytest.mark.parametrize('name', DISTILLED)
def test_the_distilled_configs_take_a_step_beside_their_teachers_kind(name, config, tmp_path):
    model = config(name).model
    teacher = hub.get_config(model.teacher, pretrained=True)
    assert teacher.model_path.startswith('https://')
    checkpoint = tmp_path / 'teacher.pth'
    model.teacher = pairs.save_teacher(checkpoint, smaller(teacher.model), classes=CocoDataset.METAINFO['classes'])
    student = pairs.build(smaller(model))
    losses = pairs.step(student)
    pairs.total(student, losses).backward()
    assert losses['loss_luminet'] > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters() if p.requires_grad)


def test_the_plain_vit_takes_a_step(config):
    detector = pairs.build(smaller(config('vit').model))
    check_neck(detector)
    total = pairs.total(detector, pairs.step(detector))
    total.backward()
    assert total.isfinite()


@pytest.mark.parametrize('name', ['mobilenetv3', 'swin'])
def test_plain_and_distilled_differ_in_nothing_but_the_distillation(name, config):
    plain, distilled = config(name).to_dict(), config(f'{name}_distilled').to_dict()
    assert {key for key in distilled if distilled[key] != plain.get(key)} == {'model'}
    plain, distilled = plain['model'], distilled['model']
    assert {key for key in distilled if distilled[key] != plain.get(key)} == {'type', 'teacher', 'distill'}


def test_the_transformers_norms_and_position_biases_do_not_decay(config):
    cfg = config('swin')
    backbone = MODELS.build(smaller(cfg.model)['backbone'])
    wrapper = build_optim_wrapper(backbone, cfg.optim_wrapper)
    decay = {id(group['params'][0]): group['weight_decay'] for group in wrapper.param_groups}
    free = {name for name, p in backbone.named_parameters() if decay[id(p)] == 0}
    assert free == {name for name, _ in backbone.named_parameters() if re.search('norm|relative_position_bias', name)}
    assert any('norm' in name for name in free)
    assert any('relative_position_bias_table' in name for name in free)


def test_the_pixel_statistics_are_those_of_the_weights(config):
    for name in ('mobilenetv3', 'swin', 'vit'):
        model = config(name).model
        weights = timm.get_pretrained_cfg(model.backbone.model_name)
        assert model.data_preprocessor.mean == pytest.approx([255 * part for part in weights.mean])
        assert model.data_preprocessor.std == pytest.approx([255 * part for part in weights.std])
        assert model.data_preprocessor.bgr_to_rgb


def test_the_table_is_what_timm_reports():
    rows = re.findall(r'^\| `(\w+)` \| `(\([\d, ]+\))` \| `(\[[\d, ]+\])` \| ([\d.]+) \|$', PAGE, re.M)
    assert len(rows) == 8
    for name, out_indices, channels, millions in rows:
        with torch.device('meta'):
            backbone = TimmBackbone(name, out_indices=ast.literal_eval(out_indices))
        assert backbone.channels == ast.literal_eval(channels)
        assert backbone.strides == [4, 8, 16, 32]
        assert f'{sum(p.numel() for p in backbone.parameters()) / 1e6:.1f}' == millions


def test_mmdets_mobilenet_has_the_channels_that_are_told():
    backbone = MODELS.build(dict(type='MobileNetV2', out_indices=(1, 2, 4, 7)))
    maps = backbone(torch.zeros(1, 3, 64, 64))
    assert f'`in_channels={[level.shape[1] for level in maps]}`' in PAGE
