"""The configs for small photographs with pretrained backbones: one recipe, and terms like those from scratch."""

import re

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from benchmarks.natural_images.study import METHODS, PLAIN, RECIPES, TEACHER
from tests import pairs

SCRATCH, FINETUNE = RECIPES['scratch'], RECIPES['finetune']
TAUGHT = METHODS[1:]
README = (FINETUNE.configs / 'README.md').read_text()


def parsed(method: str, recipe=FINETUNE) -> Config:
    return Config.fromfile(recipe.config_of(method), format_python_code=False)


def untrained(method: str) -> Config:
    """The model of a method's config, without ImageNet weights."""
    model = parsed(method).model
    model.backbone.pretrained = False
    return model


def test_readme_lists_every_config():
    assert set(re.findall(r'\((\w\S+\.py)\)', README)) == {path.name for path in FINETUNE.configs.glob('*.py')}


@pytest.mark.parametrize('method', TAUGHT)
def test_terms_are_those_from_scratch_but_for_the_weight_that_counts_channels(method):
    here, there = (parsed(method, recipe).model.distill for recipe in (FINETUNE, SCRATCH))
    if method == 'fgfi_luminet':
        widths = [parsed(TEACHER, recipe).model.neck.out_channels for recipe in (FINETUNE, SCRATCH)]
        assert here[0].loss.loss_weight * widths[0] == pytest.approx(there[0].loss.pop('loss_weight') * widths[1])
        here[0].loss.pop('loss_weight')
    assert here == there


@pytest.mark.parametrize('method', TAUGHT)
def test_a_student_differs_from_the_one_alone_in_the_distillation_only(method):
    alone, taught = (parsed(name).to_dict() for name in (PLAIN, method))
    assert {key for key in taught if taught[key] != alone[key]} == {'model'}
    student = {name: value for name, value in taught['model'].items() if name not in ('teacher', 'distill')}
    assert student | {'type': 'FasterRCNN'} == alone['model']


@pytest.mark.parametrize('method', [TEACHER, *TAUGHT])
def test_all_train_on_the_same_images_as_long(method):
    alone, other = (parsed(name).to_dict() for name in (PLAIN, method))
    assert {key for key in other if other[key] != alone[key]} == {'model'}


@pytest.mark.parametrize('method', TAUGHT)
def test_the_teacher_is_the_one_that_its_config_leaves(method):
    config, teacher = parsed(method), FINETUNE.config_of(TEACHER)
    assert config.model.teacher.config == f'configs/{FINETUNE.name}/{teacher.name}'
    assert config.model.teacher.checkpoint == f'work_dirs/{teacher.stem}/epoch_{config.train_cfg.max_epochs}.pth'


@pytest.mark.parametrize(('method', 'millions'), [(TEACHER, 8.7), (PLAIN, 4.1)])
def test_the_sizes_are_those_of_the_readme_and_the_first_stages_are_frozen(method, millions):
    with torch.device('meta'):
        detector = MODELS.build(untrained(method))
    assert sum(p.numel() for p in detector.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert f'{millions} million' in README
    network = detector.backbone.network
    assert not network.conv_stem.weight.requires_grad
    assert detector.backbone.channels == parsed(method).model.neck.in_channels
    assert detector.backbone.strides == [4, 8, 16, 32]


@pytest.mark.parametrize('method', TAUGHT)
def test_a_config_takes_a_step(method, tmp_path):
    model = untrained(method)
    classes = tuple(parsed(TEACHER).train_dataloader.dataset.metainfo.classes)
    model.teacher = pairs.save_teacher(tmp_path / 'teacher.pth', untrained(TEACHER).to_dict(), classes=classes)
    detector = pairs.build(model.to_dict())
    losses = pairs.step(detector)
    total = pairs.total(detector, losses)
    total.backward()
    assert total.isfinite()
    of_terms = ('loss_kd', 'loss_dkd', 'loss_lumi', 'loss_review', 'loss_fgfi')
    assert len([name for name in losses if name.startswith(of_terms)]) == len(model.distill)
