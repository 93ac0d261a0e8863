"""Gradient accumulation: steps take the mean of the gradients, and gradient shares are those of a single step."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper

from tests import pairs


def sgd(detector):
    return torch.optim.SGD(detector.parameters(), lr=1.0)


def test_two_steps_accumulated_take_the_mean_of_their_gradients(distilling, kind):
    detector = pairs.build(distilling(kind))
    pairs.step(detector)
    gradients = []
    for seed in (0, 1):
        alone = copy.deepcopy(detector)
        pairs.total(alone, pairs.step(alone, seed)).backward()
        gradients.append({name: p.grad for name, p in alone.named_parameters()})
    wrapper = OptimWrapper(sgd(detector), accumulative_counts=2)
    wrapper.initialize_count_status(detector, 0, 2)
    before = {name: p.detach().clone() for name, p in detector.named_parameters()}
    for seed in (0, 1):
        with wrapper.optim_context(detector):
            losses = pairs.step(detector, seed)
        wrapper.update_params(pairs.total(detector, losses))
    moved = False
    for name, p in detector.named_parameters():
        if gradients[0][name] is None:
            continue
        mean = (gradients[0][name] + gradients[1][name]) / 2
        torch.testing.assert_close(before[name] - p.detach(), mean, rtol=1e-3, atol=1e-5)
        moved = moved or bool(mean.any())
    assert moved


def test_the_gradient_share_is_of_one_step_not_of_the_accumulated_ones(distilling):
    detector = pairs.build(distilling('two_stage'))
    pairs.total(detector, pairs.step(detector, 0)).backward()
    first = pairs.step(detector, 1)
    pairs.total(detector, first).backward()
    second = pairs.step(detector, 0)['gradient_share_luminet']
    alone = pairs.build(distilling('two_stage'))
    pairs.total(alone, pairs.step(alone, 1)).backward()
    assert second.item() == pytest.approx(pairs.step(alone, 0)['gradient_share_luminet'].item(), rel=1e-4)
    assert second.item() != pytest.approx(first['gradient_share_luminet'].item(), rel=1e-4)
