"""benchmarks/classification_speed: both ways train the same thing, and what is reported is what was timed."""

import argparse

import numpy as np
import pytest
import torch

from benchmarks.classification_speed import __main__ as classification_speed
from benchmarks.classification_speed import pair as pairs
from benchmarks.classification_speed.pair import Pair
from benchmarks.classification_speed.plain_loop import accuracy, luminet
from luminet_det.losses import LumiNetLoss

ARGS = dict(
    device='cpu', pair='resnet20-resnet56', batch_size=8, steps=2, repeats=2, step_repeats=2, threads=1, workers=0
)


@pytest.fixture
def small_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, 'DATA', tmp_path / 'nothing')
    return Pair('resnet20-resnet56', tmp_path / 'pair', images=200)


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_the_plain_loss_is_ours():
    student = torch.randn(16, 10, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(16, 10, dtype=torch.float64)
    found = luminet(student, teacher, alpha=3.0, tau=4.0)
    ours = LumiNetLoss(tau=4.0, loss_weight=9.0)(student, teacher)
    torch.testing.assert_close(found, ours)
    torch.testing.assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (found, ours)))


def test_the_plain_accuracy_counts_the_five_highest():
    logits = torch.arange(12.0).repeat(4, 1)
    top1, top5 = accuracy(logits, torch.tensor([11, 10, 7, 6]))
    assert (top1.item(), top5.item()) == (25, 75)


def test_both_ways_take_the_same_step_from_the_same_weights(small_pair):
    plain = small_pair.plain(torch.device('cpu'), workers=0, batch_size=32)
    ours = small_pair.run('luminet_resnet20-resnet56', 'ours', batch_size=32)
    ours.model.network.load_state_dict(plain.student.state_dict())
    before = weights(plain.student)
    batch = ours.batches(1)[0]
    pixels = ours.model.data_preprocessor(dict(batch), False)['inputs']
    ours.step(batch)
    plain.step(pixels, batch['labels'])
    steps = [weights(student) - before for student in (plain.student, ours.model.network)]
    # float32 in another order of summation, standardised: some 1e-3.
    assert (steps[0] - steps[1]).norm() < 0.02 * steps[0].norm()


def test_a_sliced_run_trains_the_steps_that_are_asked_for(small_pair):
    run = small_pair.run('luminet_resnet20-resnet56', 'sliced', batch_size=64)
    before = [parameter.clone() for parameter in run.model.parameters()]
    run.run(5)  # an epoch has three
    assert (run.runner.iter, run.runner.epoch) == (5, 1)
    assert not any(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))


def test_random_images_have_all_classes_in_both_splits(tmp_path):
    pairs.random_images(tmp_path / 'images', 300)
    with np.load(tmp_path / 'images' / 'cifar100.npz') as arrays:
        assert all(set(arrays[f'{split}_labels']) == set(range(100)) for split in ('train', 'test'))


def test_the_result_holds_every_row_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, 'DATA', tmp_path / 'nothing')
    args = argparse.Namespace(**ARGS, rows=['contiguous'])
    result = classification_speed.measure(args, tmp_path, images=1000)
    assert list(result['epochs']) == ['plain loop', 'contiguous']
    assert result['epochs']['plain loop']['over_plain_loop']['median'] == 1
    assert set(result['step']['milliseconds']) == {'luminet', 'kd', 'student', 'teacher'}
    assert result['runner']['milliseconds'] > 0
    assert result['setting']['images'] == 'random'


def test_an_unknown_row_is_named(small_pair):
    from benchmarks.classification_speed import epochs

    with pytest.raises(SystemExit, match='--rows quick: unknown; there are default'):
        epochs.measured(small_pair, argparse.Namespace(rows=['quick']), torch.device('cpu'))
