"""The quickstart's teacher assistant: size in between, KD as in kd_student.py, a training step, the shown command."""

import pytest
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from luminet_det import chain
from tests import pairs
from tests.chain import shown
from tests.classification_configs import ROOT

QUICKSTART = ROOT / 'configs' / 'quickstart'
README = (QUICKSTART / 'README.md').read_text()


def config(name):
    return Config.fromfile(QUICKSTART / f'{name}.py')


def parameters(name):
    register_all_modules()
    model = {key: value for key, value in config(name).model.items() if key not in ('teacher', 'distill')}
    return sum(p.numel() for p in MODELS.build(model | dict(type='FasterRCNN')).parameters())


def test_the_assistant_lies_between_student_and_teacher_in_size_as_the_page_says():
    sizes = [parameters(name) for name in ('student', 'takd_assistant', 'teacher')]
    assert sizes == sorted(set(sizes))
    assert f'{sizes[1]:,} parameters' in README


@pytest.mark.parametrize(('name', 'differs'), [('takd_assistant', set()), ('takd_student', {'teacher'})])
def test_a_run_of_the_chain_is_the_row_of_kd_but_for_its_width_or_its_teacher(name, differs):
    own, kd = config(name).to_dict(), config('kd_student').to_dict()
    model, of_kd = own.pop('model'), kd.pop('model')
    assert own == kd
    width = {'backbone', 'neck', 'rpn_head', 'roi_head'} if name == 'takd_assistant' else set()
    assert {key for key in model if model[key] != of_kd[key]} == differs | width


def test_the_assistant_takes_a_step_beside_the_teacher(tmp_path):
    classes = tuple(map(str, range(10)))
    model = config('takd_assistant').model
    model.teacher = pairs.save_teacher(tmp_path / 'teacher.pth', config('teacher').model.to_dict(), classes=classes)
    detector = pairs.build(model.to_dict())
    losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    assert losses['loss_kd'] > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())


@pytest.mark.parametrize('words', shown.commands(QUICKSTART / 'README.md'), ids=' '.join)
def test_the_chain_that_the_page_shows_can_be_planned(words, monkeypatch, tmp_path, capsys):
    teacher = config('takd_assistant').model.teacher.checkpoint
    assert shown.plan(words, tmp_path, monkeypatch, [teacher]) == 0
    assert 'A chain of 2 in work_dirs/chain_takd_student' in capsys.readouterr().out


def test_the_page_shows_the_chain():
    assert len(shown.commands(QUICKSTART / 'README.md')) == 1


def test_the_student_finds_what_the_assistants_run_leaves_and_the_chain_changes_nothing_else(tmp_path):
    own, student = (
        chain.Run(str(QUICKSTART / f'{n}.py'), config(n), tmp_path) for n in ('takd_assistant', 'takd_student')
    )
    assert student.cfg.model.teacher.checkpoint == f'work_dirs/takd_assistant/{own.final_checkpoint.name}'
    own.final_checkpoint.touch()
    assert chain.options(own, student, 'last') == {'model.teacher.checkpoint': str(own.final_checkpoint)}
