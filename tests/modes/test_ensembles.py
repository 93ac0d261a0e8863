"""Ensembles: the teachers' logits are averaged, as are the losses on feature maps, whatever their backbones."""

import pytest
import torch

from luminet_det.losses import LumiNetLoss
from tests import pairs
from tests.modes import students


def mobile(kind):
    """A detector with another backbone, of other widths."""
    model = students.plain(kind)
    model['backbone'] = dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 7), norm_eval=False)
    model['neck']['in_channels'] = [8, 8, 24, 1280]
    return model


@pytest.fixture
def teachers(tmp_path, saved, kind):
    return [saved(kind), dict(students.save_teacher(tmp_path / 'mobile.pth', mobile(kind), seed=5), dtype='bf16')]


def heard(model):
    """What the terms compare in a step, by their names, and the losses."""
    detector, calls = pairs.build(model), {}
    for name, term in zip(detector.term_names, detector.terms, strict=True):
        term.loss.register_forward_pre_hook(lambda _, args, name=name: calls.setdefault(name, []).append(args[:2]))
    return calls, pairs.step(detector)


def test_the_loss_is_against_the_mean_of_the_logits(kind, teachers):
    alone = [heard(students.distilling(kind, teacher))[0]['luminet'] for teacher in teachers]
    calls, losses = heard(students.distilling(kind, teachers))
    student, _ = calls['luminet'][0]
    first, second = (rows for ((_, rows),) in alone)
    assert not torch.allclose(first, second)
    loss = LumiNetLoss(tau=1.0, loss_weight=4.0, use_sigmoid=kind == 'single_stage')
    assert losses['loss_luminet'].item() == pytest.approx(loss(student, (first + second) / 2).item(), rel=1e-5)
    assert losses['loss_luminet'] != loss(student, first)


def test_on_feature_maps_the_losses_are_averaged(kind, teachers):
    alone = [heard(students.distilling(kind, teacher))[1]['loss_pkd'].item() for teacher in teachers]
    _, losses = heard(students.distilling(kind, teachers))
    assert losses['loss_pkd'].item() == pytest.approx(sum(alone) / 2, rel=1e-5)
    assert alone[0] != pytest.approx(alone[1], rel=1e-3)


def test_teachers_keep_settings_of_their_own(kind, teachers):
    detector = pairs.build(students.distilling(kind, teachers))
    losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    dtypes = [next(teacher.model.parameters()).dtype for teacher in detector.teachers]
    assert dtypes == [torch.float32, torch.bfloat16]
    assert list(detector.state_dict()) == list(pairs.build(students.plain(kind)).state_dict())
