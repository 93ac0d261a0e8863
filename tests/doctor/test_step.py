"""What the doctor says about one training step: losses, gradients and memory."""

import pytest
import torch
from mmengine.config import Config

from luminet_det.doctor import step
from luminet_det.doctor.findings import Unusable
from tests import pairs, tiny
from tests.classification import small

CPU = torch.device('cpu')
CFG = Config(dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW'))))


def taken(images=2, **settings):
    from mmdet.testing import demo_mm_inputs

    detector = pairs.build(tiny.faster_rcnn())
    data = demo_mm_inputs(images, [[3, 64, 64]] * images, num_classes=3)
    for name, value in settings.items():
        setattr(detector, name, value)
    return detector, step.take(detector, data, CFG, CPU)


def test_shares_are_of_the_total():
    _, result = taken()
    parts = {name: value for name, value in result.losses.items() if name != 'loss' and 'loss' in name}
    assert sum(parts.values()) == pytest.approx(result.losses['loss'], rel=1e-5)
    text = [finding.found for finding in step.check_losses(result)]
    for name, value in parts.items():
        assert f'{name} {value:.3f} ({value / result.losses["loss"]:.0%})' in text[0]


def test_memory_grows_with_the_images():
    (_, one), (_, four) = taken(1), taken(4)
    assert 2 < four.megabytes / one.megabytes < 6


def test_the_estimate_is_the_sum_of_its_parts():
    detector, result = taken()
    (finding,) = step.check_memory(result, detector, CFG, CPU)
    weights = sum(p.numel() for p in detector.parameters()) * 4 / 2**20
    assert f'weights {weights:.0f} MB' in finding.found
    assert f'about {4 * weights + result.megabytes:.0f} MB (estimate)' in finding.found


def test_peers_are_counted_once():
    teacher = dict(config=small.setting(width=512), trainable=True)
    terms = [dict(tap='logits', loss=dict(type='luminet_det.KDLoss'))]
    model = small.build(small.distilling(teacher, terms))
    result = step.take(model, small.batch(), CFG, CPU)
    (finding,) = step.check_memory(result, model, CFG, CPU)
    megabytes = sum(p.numel() for p in model.parameters()) * 4 / 2**20
    assert f'weights {megabytes:.0f} MB, teacher 0 MB' in finding.found


def test_a_loss_or_a_gradient_that_is_not_finite_fails():
    _, result = taken()
    result.losses['loss_cls'] = float('nan')
    (finding,) = step.check_losses(result)
    assert (finding.level, 'loss_cls' in finding.found) == ('FAIL', True)
    result.losses['loss_cls'] = 1.0
    result.broken = ['neck.weight']
    assert [finding.level for finding in step.check_losses(result)] == ['OK', 'FAIL']
    result.broken, result.untouched = [], ['neck.weight']
    assert [finding.level for finding in step.check_losses(result)] == ['OK', 'WARN']


def test_out_of_memory_says_what_to_lower(monkeypatch):
    def take(*args):
        raise torch.OutOfMemoryError('CUDA out of memory')

    monkeypatch.setattr(step, 'take', take)
    with pytest.raises(Unusable, match='out of memory') as caught:
        step.check(None, {}, CFG, CPU)
    assert 'train_dataloader.batch_size' in caught.value.change
