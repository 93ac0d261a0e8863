"""Gradient checkpointing in the student's backbone: apart from the statistics of trained norms, nothing changes."""

import pytest
import torch

from tests import pairs
from tests.modes import students


@pytest.fixture
def model(tmp_path, kind):
    """A student with a term on the head, the neck and the backbone, and a teacher with an equally wide backbone."""
    teacher = students.save_teacher(tmp_path / 'twin.pth', students.plain(kind))
    terms = [students.HEAD_TERMS[kind], students.NECK_TERM, dict(tap='backbone', loss=students.PKD)]
    return students.distilling(kind, teacher, terms)


def trained(model, with_cp):
    """A detector after one backward pass, the losses, what its terms compared, and the forward passes of one block."""
    model['backbone']['with_cp'] = with_cp
    detector, heard, passes = pairs.build(model), [], []
    for term in detector.terms:
        term.loss.register_forward_pre_hook(lambda _, args: heard.append([rows.detach().clone() for rows in args[:2]]))
    detector.backbone.layer2[0].conv1.register_forward_pre_hook(lambda *_: passes.append(1))
    losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    return detector, losses, heard, len(passes)


def test_taps_losses_and_gradients_are_those_without_it(model):
    plain, losses, rows, passes = trained(model, with_cp=False)
    detector, found, heard, again = trained(model, with_cp=True)
    assert (passes, again) == (1, 2)
    assert len(heard) == len(rows) > 2
    for mine, other in zip(heard, rows, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))
    for name in ('loss_luminet', 'loss_pkd_neck', 'loss_pkd_backbone'):
        assert found[name] == losses[name] > 0
    for (name, mine), other in zip(detector.named_parameters(), plain.parameters(), strict=True):
        assert (mine.grad is None) == (other.grad is None), name
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, other.grad, msg=name)
    assert list(detector.state_dict()) == list(plain.state_dict())


def test_the_gradient_share_is_that_without_it(model):
    shares = []
    for with_cp in (False, True):
        detector, *_ = trained(model, with_cp)
        shares.append(pairs.step(detector)['gradient_share_luminet'].item())
    assert shares[0] == pytest.approx(shares[1], rel=1e-5) != 0


def test_a_norm_that_is_trained_counts_the_batch_twice(model):
    means = []
    for with_cp in (False, True):
        detector, *_ = trained(model, with_cp)
        norm = detector.backbone.layer2[0].norm1
        means.append(norm.running_mean)
        assert norm.num_batches_tracked == 1 + with_cp
    # From 0 with momentum 0.1, one pass gives 0.1 of the batch's mean, and two give 0.19.
    torch.testing.assert_close(means[1], means[0] * 1.9, rtol=1e-4, atol=1e-6)
