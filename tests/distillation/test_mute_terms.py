"""MuteTerms: one warning for a term whose loss reaches no trainable weight."""

import pytest
import torch

from luminet_det.distillation import mute_terms
from luminet_det.distillation.mute_terms import STEPS
from tests import pairs, tiny

MSE = dict(tap='backbone', loss=dict(type='mmdet.MSELoss'))


@pytest.fixture
def warnings(monkeypatch):
    found = []
    monkeypatch.setattr(mute_terms, 'print_log', lambda text, **options: found.append(text))
    return found


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    return pairs.save_teacher(tmp_path_factory.mktemp('teacher') / 'teacher.pth', tiny.faster_rcnn())


@pytest.mark.parametrize('frozen', [False, True])
def test_a_term_on_frozen_layers_is_named_once(teacher, warnings, frozen):
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, [MSE, pairs.TERM]))
    detector.backbone.requires_grad_(not frozen)
    for _ in range(STEPS + 2):
        pairs.step(detector)
    assert len(warnings) == frozen
    assert all(text.startswith('loss_mse has no gradient: what the student gives on the tap') for text in warnings)


def test_steps_that_are_not_trained_do_not_count(teacher, warnings):
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, MSE))
    with torch.no_grad():
        for _ in range(STEPS):
            pairs.step(detector)
    assert not warnings
