"""COCO's teacher assistants: sizes between student and teacher, KD as in the table, a training step, shown commands."""

import re
from copy import deepcopy

import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import MODELS

from luminet_det import chain
from tests import pairs
from tests.chain import shown
from tests.test_configs import FOLDER, KINDS, narrow, parsed, zoo, zoo_aps, zoo_teacher
from tests.test_configs import terms as of_row

TAKD = FOLDER / 'takd'
ROOT = FOLDER.parents[1]
README = (TAKD / 'README.md').read_text()
STUDENTS, OWN = sorted(TAKD.glob('takd_*.py')), sorted(TAKD.glob('kd_*.py'))
# Student, assistant and teacher.
CHAINS = {('r18', 'r50', 'r101'), ('mobilenetv2', 'r18', 'r50'), ('r50', 'seresnet50', 'r101')}
every = pytest.mark.parametrize('path', [*STUDENTS, *OWN], ids=lambda path: path.stem)
every_student = pytest.mark.parametrize('path', STUDENTS, ids=lambda path: path.stem)


def pair(path):
    """Student and teacher, from the file name."""
    return re.fullmatch(r'(?:tak|k)d_(\w+)-faster-rcnn-(\w+)_fpn_1x_coco', path.stem).groups()


def assistant(path):
    """Path of the config that a student's teacher was trained with."""
    return ROOT / parsed(path).model.teacher.config


def parameters(model):
    """Number of parameters of a detector, without its teacher."""
    alone = {key: value for key, value in model.items() if key not in ('teacher', 'distill')}
    with torch.device('meta'):
        built = MODELS.build(alone | dict(type=KINDS['faster']))
    return sum(p.numel() for p in built.parameters())


def thin_teacher(path, folder):
    """Save the teacher of a config as a thin network with random weights; returns its `teacher=` setting."""
    teacher = parsed(path).model.teacher
    model = narrow(deepcopy(zoo(teacher).model) if isinstance(teacher, str) else parsed(assistant(path)).model)
    return pairs.save_teacher(folder / 'teacher.pth', model, classes=CocoDataset.METAINFO['classes'])


def test_each_pair_of_faster_rcnn_has_a_chain():
    assert {(pair(path)[0], *pair(assistant(path))) for path in STUDENTS} == CHAINS
    assert {(student, teacher) for student, _, teacher in CHAINS} == set(map(pair, STUDENTS))
    assert set(OWN) == {assistant(path) for path in STUDENTS} - set(FOLDER.glob('*.py'))


@every_student
def test_an_assistant_has_learnt_from_the_teacher_of_the_pair_and_lies_between(path):
    own = assistant(path)
    student, teacher = pair(path)
    kd = parsed(FOLDER / f'kd_{student}-faster-rcnn-{teacher}_fpn_1x_coco.py')
    assert parsed(own).model.teacher == kd.model.teacher
    sizes = [parameters(model) for model in (parsed(path).model, parsed(own).model, zoo(zoo_teacher(kd.model)).model)]
    assert sizes == sorted(set(sizes))
    (cells,) = (line.split('|') for line in README.splitlines() if f'({path.name})' in line)
    assert [f'{size / 1e6:.1f}' for size in sizes] == re.findall(r'\d+\.\d', cells[2])
    assert cells[3].strip() == ('34.59' if student == 'r18' else '-')
    assert f'that of {"../" * (own.parent != TAKD)}{own.name}.' in ' '.join(path.read_text().split())


@every
def test_a_run_is_the_plain_student_with_kd_as_in_the_table(path):
    config = parsed(path)
    student = pair(path)[0]
    plain = parsed(FOLDER / f'plain_{student.removeprefix("se").replace("resnet", "r")}-faster-rcnn_fpn_1x_coco.py')
    assert {key for key in config.keys() | plain.keys() if config.get(key) != plain.get(key)} == {'model'}
    model, own = config.model.to_dict(), plain.model.to_dict()
    other = {key for key in model if model[key] != own.get(key)}
    assert other == {'type', 'teacher', 'distill'} | ({'backbone'} if student == 'seresnet50' else set())
    assert model['distill'] == of_row('kd', '')


@every_student
def test_a_student_finds_what_its_assistants_run_leaves_and_a_chain_changes_nothing_else(path, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    own = assistant(path)
    end = f'iter_{parsed(own).train_cfg.max_iters}.pth'
    assert parsed(path).model.teacher.checkpoint == f'work_dirs/{own.stem}/{end}'
    (tmp_path / end).touch()
    runs = [chain.Run(str(each), parsed(each), tmp_path) for each in (own, path)]
    assert chain.options(*runs, 'last') == {'model.teacher.checkpoint': f'{tmp_path}/{end}'}


def test_timms_network_gives_what_the_neck_takes_and_is_frozen_as_the_other_students():
    config = parsed(TAKD / 'kd_seresnet50-faster-rcnn-r101_fpn_1x_coco.py')
    backbone = MODELS.build(config.model.backbone | dict(pretrained=False))
    assert backbone.channels == config.model.neck.in_channels
    assert backbone.strides == config.model.rpn_head.anchor_generator.strides[:4]
    stock = parsed(FOLDER / 'plain_r50-faster-rcnn_fpn_1x_coco.py').model.backbone
    assert config.model.backbone.pretrained is True
    assert (backbone.norm_eval, config.model.backbone.frozen_stages) == (stock.norm_eval, stock.frozen_stages)
    timm = pytest.importorskip('timm')
    made_for = timm.get_pretrained_cfg(config.model.backbone.model_name)
    for name in ('mean', 'std'):
        assert config.model.data_preprocessor[name] == pytest.approx([255 * part for part in getattr(made_for, name)])


@every
def test_a_detector_takes_a_step_beside_its_teacher(path, tmp_path):
    config = parsed(path)
    config.model.teacher = thin_teacher(path, tmp_path)
    detector = pairs.build(narrow(config.model))
    losses = pairs.step(detector)
    total = pairs.total(detector, losses)
    total.backward()
    assert losses['loss_kd'] > 0
    assert total.isfinite()
    trained = [p.grad for p in detector.parameters() if p.requires_grad]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in trained)


def test_the_page_links_every_config_and_tells_the_teachers_ap():
    assert {name for name in re.findall(r'\((?:\.\./)?((?:tak|k)d_[\w-]+\.py)\)', README)} >= {
        path.name for path in (*STUDENTS, *OWN)
    }
    for path in OWN:
        (told,) = re.findall(r'(\d\d\.\d) box AP', path.read_text())
        assert [float(told)] == zoo_aps(parsed(path).model.teacher)


@pytest.mark.parametrize('words', shown.commands(TAKD / 'README.md'), ids=' '.join)
def test_a_chain_that_the_page_shows_can_be_planned(words, monkeypatch, tmp_path, capsys):
    assert shown.plan(words, tmp_path, monkeypatch) == 0
    assert 'A chain of 2 in work_dirs/chain_takd_' in capsys.readouterr().out


def test_the_page_shows_every_chain():
    assert {words[1] for words in shown.commands(TAKD / 'README.md')} == {
        f'configs/coco/takd/{path.name}' for path in STUDENTS
    }
