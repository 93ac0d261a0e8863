"""Compilation of the teacher, of the student's backbone, or of the whole step by mmengine's `compile=True`."""

import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage

from luminet_det.distillation import Teacher
from tests import pairs
from tests.modes.students import LOSSES

EAGER = dict(backend='eager')  # traces as for any backend, without waiting for a C++ compiler


def same(losses, expected):
    for name in LOSSES:
        assert losses[name].item() == pytest.approx(expected[name].item(), rel=1e-5), name


@pytest.fixture(autouse=True)
def fresh():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def test_a_compiled_teacher_says_the_same_on_every_tap(distilling, kind):
    detector = pairs.build(distilling(kind, compile=EAGER))
    same(pairs.step(detector), pairs.step(pairs.build(distilling(kind))))
    assert detector.teachers[0].model.backbone._compiled_call_impl is not None


def test_a_students_compiled_backbone_trains_as_before(distilling, kind):
    plain = pairs.build(distilling(kind))
    detector = copy.deepcopy(plain)
    detector.backbone.compile(**EAGER)
    losses = [pairs.step(each) for each in (detector, plain)]
    for each, of_step in zip((detector, plain), losses, strict=True):
        pairs.total(each, of_step).backward()
    same(*losses)
    for mine, other in zip(detector.backbone.parameters(), plain.backbone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    assert list(detector.state_dict()) == list(plain.state_dict())
    average = ExponentialMovingAverage(detector)
    assert set(average.module.state_dict()) == set(plain.state_dict())


def test_a_teacher_is_built_untraced_while_mmengine_compiles_the_step(saved):
    teacher = Teacher.from_setting(saved('two_stage'))
    torch.compile(lambda: teacher.build(), **EAGER)()
    assert teacher.built
