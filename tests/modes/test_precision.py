"""AMP and the teacher's precision and memory layout: what they may change, and what they must not."""

import copy

import pytest
import torch
from mmengine.optim import AmpOptimWrapper

from tests import pairs
from tests.modes.students import LOSSES

HALVES = [torch.bfloat16, torch.float16]


def gradients(detector, scale=1.0, **step):
    """Losses of a step, and the gradient of their sum, times `scale`, by parameter."""
    losses = pairs.step(detector, **step)
    detector.zero_grad()
    (pairs.total(detector, losses) * scale).backward()
    return losses, {name: p.grad.clone() for name, p in detector.named_parameters() if p.grad is not None}


@pytest.mark.parametrize('amp', HALVES, ids=str)
def test_under_amp_every_term_is_close_to_full_precision_and_float32(distilling, kind, amp):
    detector = pairs.build(distilling(kind))
    full = pairs.step(detector)
    with torch.autocast('cpu', dtype=amp):
        losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    for name in LOSSES:
        assert losses[name].dtype == torch.float32
        assert losses[name].item() == pytest.approx(full[name].item(), rel=0.3)
        assert losses[name] != full[name]
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)


@pytest.mark.parametrize('dtype', ['bf16', 'fp16'])
def test_a_half_precision_teacher_says_nearly_the_same_on_every_tap(distilling, kind, dtype):
    full = pairs.step(pairs.build(distilling(kind)))
    losses = pairs.step(pairs.build(distilling(kind, dtype=dtype)))
    for name in LOSSES:
        assert losses[name].dtype == torch.float32
        assert losses[name].item() == pytest.approx(full[name].item(), rel=0.05)
        assert losses[name] != full[name]
    for name, loss in full.items():
        if 'loss' in name and name not in LOSSES:
            assert str(losses[name]) == str(loss), name


def test_loss_scaling_changes_neither_gradients_nor_their_shares(distilling, kind):
    detector = pairs.build(distilling(kind))
    _, plain = gradients(detector)
    shares = [pairs.step(detector)['gradient_share_luminet']]
    _, scaled = gradients(detector, scale=2.0**16)
    shares.append(pairs.step(detector)['gradient_share_luminet'])
    for name, gradient in plain.items():
        torch.testing.assert_close(scaled[name] / 2**16, gradient, rtol=1e-4, atol=1e-7)
    assert 0 < shares[0] < 1
    torch.testing.assert_close(shares[0], shares[1])


def test_a_step_that_overflows_leaves_the_shares_of_the_one_before(distilling, kind):
    detector = pairs.build(distilling(kind))
    gradients(detector)
    share = pairs.step(detector)['gradient_share_luminet']
    gradients(detector, scale=float('inf'))
    assert torch.equal(pairs.step(detector)['gradient_share_luminet'], share)


@pytest.mark.parametrize('setting', [dict(channels_last=True), dict(fuse_conv_bn=True)], ids=str)
def test_another_layout_or_folded_norms_say_the_same_on_every_tap(distilling, kind, setting):
    plain = pairs.step(pairs.build(distilling(kind)))
    losses = pairs.step(pairs.build(distilling(kind, **setting)))
    for name in LOSSES:
        assert losses[name].item() == pytest.approx(plain[name].item(), rel=1e-4)


def test_a_channels_last_student_has_the_same_losses_and_gradients(distilling, kind):
    plain = pairs.build(distilling(kind))
    other = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    losses, expected = gradients(plain)
    found, got = gradients(other)
    for name in LOSSES:
        assert found[name].item() == pytest.approx(losses[name].item(), rel=1e-4)
    layouts = {p.is_contiguous(memory_format=torch.channels_last) for p in other.parameters() if p.dim() == 4}
    assert layouts == {True}
    # Compared as a whole: single gradients, such as that of a bias that a norm cancels, are only rounding errors.
    expected, got = (torch.cat([gradient.flatten() for gradient in each.values()]) for each in (expected, got))
    assert (got - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_amp_trains_on_a_gpu(distilling, kind, dtype):
    detector = pairs.build(distilling(kind)).cuda()
    optimizer = torch.optim.SGD(detector.parameters(), lr=1e-3)
    wrapper = AmpOptimWrapper(optimizer=optimizer, dtype=dtype, loss_scale='dynamic')
    before = copy.deepcopy(detector.state_dict())
    for seed in range(12):  # the first ones may overflow, and are then skipped
        inputs, samples = pairs.batch(detector, seed)
        with wrapper.optim_context(detector):
            losses = detector.loss(inputs, samples)
        assert all(torch.isfinite(losses[name]) for name in LOSSES)
        wrapper.update_params(pairs.total(detector, losses))
    after = detector.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.gpu
@pytest.mark.parametrize('setting', [dict(dtype='bf16'), dict(dtype='fp16'), dict(channels_last=True)], ids=str)
def test_the_teachers_settings_say_nearly_the_same_on_a_gpu(distilling, kind, setting):
    full = pairs.step(pairs.build(distilling(kind)).cuda())
    losses = pairs.step(pairs.build(distilling(kind, **setting)).cuda())
    for name in LOSSES:
        assert losses[name].item() == pytest.approx(full[name].item(), rel=0.05)
