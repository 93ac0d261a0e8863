"""benchmarks/classification_speed: the plain loop and ours train the same thing, and the report has what was timed."""

import argparse
import json

import numpy as np
import pytest
import torch
from mmengine.utils import get_git_hash

from benchmarks import readme
from benchmarks.classification_speed import __main__ as classification_speed
from benchmarks.classification_speed import epochs, single_steps
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
    # Standardised logits, summed in float32 in another order: the difference is about 1e-3.
    assert (steps[0] - steps[1]).norm() < 0.02 * steps[0].norm()


def test_a_sliced_run_trains_the_steps_that_are_asked_for(small_pair):
    run = small_pair.run('luminet_resnet20-resnet56', 'sliced', batch_size=64)
    before = [parameter.clone() for parameter in run.model.parameters()]
    run.run(5)  # an epoch has three steps
    assert (run.runner.iter, run.runner.epoch) == (5, 1)
    assert not any(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))


def test_random_images_have_all_classes_in_both_splits(tmp_path):
    pairs.random_images(tmp_path / 'images', 300)
    with np.load(tmp_path / 'images' / 'cifar100.npz') as arrays:
        assert all(set(arrays[f'{split}_labels']) == set(range(100)) for split in ('train', 'test'))


def test_the_result_holds_every_row_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, 'DATA', tmp_path / 'nothing')
    args = argparse.Namespace(**ARGS, rows=['contiguous'], out=tmp_path / 'result.json')
    result = classification_speed.measure(args, tmp_path, images=1000)
    assert list(result['epochs']) == ['plain loop', 'contiguous']
    assert result['epochs']['plain loop']['over_plain_loop']['median'] == 1
    assert set(result['step']['milliseconds']) == {'luminet', 'kd', 'student', 'teacher', 'teacher_norms_kept'}
    assert result['runner']['milliseconds'] > 0
    assert result['setting']['images'] == 'random'
    assert json.loads(args.out.read_text()) == result


def test_the_ratio_and_both_speeds_of_a_way_are_of_the_same_slices(small_pair, monkeypatch):
    taken = {'plain loop': [4.0, 8.0, 6.0], 'contiguous': [2.0, 2.0, 2.0]}
    monkeypatch.setattr(epochs, 'interleaved', lambda slices, *_: {name: taken[name] for name in slices})
    args = argparse.Namespace(**ARGS)
    plain = small_pair.plain(torch.device('cpu'), 0, 8)
    found = epochs.measured(small_pair, plain, 'contiguous', args, torch.device('cpu'))
    assert found['over_plain_loop'] == dict(median=3, quartiles=[2.5, 3.5])
    assert (found['images_per_second'], found['images_per_second_of_plain_loop']) == (8, round(16 / 6, 1))


class Measured(dict):
    """Counts how often each part is measured, instead of measuring it; measuring the part `broken` is interrupted."""

    broken = None

    def count(self, part):
        if part == self.broken:
            raise KeyboardInterrupt
        self[part] = self.get(part, 0) + 1
        return self[part]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Returns a function that runs the command; in place of times, it measures how often each part was measured."""
    measured = Measured()
    monkeypatch.setattr(Pair, '__init__', lambda self, name, folder, images: setattr(self, 'real', False))
    monkeypatch.setattr(Pair, 'plain', lambda *_: None)
    for part in ('step', 'runner'):
        monkeypatch.setattr(single_steps, part, lambda *_, part=part: dict(time=measured.count(part)))
    monkeypatch.setattr(
        epochs, 'measured', lambda pair, plain, way, *_: dict(images_per_second=1e4, time=measured.count(way))
    )

    def run(*words):
        classification_speed.main(['--out', str(run.out), *words])
        return json.loads(run.out.read_text())

    run.out, run.measured = tmp_path / 'results' / 'speed.json', measured
    return run


def test_what_was_measured_before_the_end_is_kept_and_not_measured_again(call):
    call.measured.broken = 'contiguous'
    with pytest.raises(KeyboardInterrupt):
        call()
    kept = json.loads(call.out.read_text())
    assert set(kept['epochs']) == {'plain loop', 'default'}
    call.measured.broken = None
    found = call()
    assert list(found['epochs']) == ['plain loop', *epochs.ROWS]
    assert call.measured == dict.fromkeys(['step', 'runner', 'plain loop', *epochs.ROWS], 1)
    assert {**found, 'epochs': kept['epochs']} == kept
    assert [path.name for path in call.out.parent.iterdir()] == ['speed.json']


def test_rows_are_added_to_the_file(call):
    call('--rows', 'amp')
    found = call('--rows', 'default', 'amp')
    assert list(found['epochs']) == ['plain loop', 'amp', 'default']
    assert call.measured['amp'] == 1


def test_single_steps_can_be_left_out_and_added(call):
    assert 'step' not in call('--rows', 'none', '--step-repeats', '0')
    found = call('--rows', 'none', '--step-repeats', '60')
    assert (found['step'], found['setting']['step_repeats']) == (dict(time=1, commit=get_git_hash()), 60)
    without = call('--rows', 'amp', '--step-repeats', '0')
    assert {key: without[key] for key in ('step', 'runner', 'setting')} == {
        key: found[key] for key in ('step', 'runner', 'setting')
    }
    assert 'amp' in without['epochs']


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('--repeats 9', 'repeats 8 there, 9 here'),
        ('--step-repeats 61', 'step_repeats 60 there, 61 here'),
        ('--pair resnet8x4-resnet32x4', 'pair resnet20-resnet56 there, resnet8x4-resnet32x4 here'),
    ],
)
def test_a_file_of_another_setting_is_refused(call, words, said):
    call('--rows', 'amp')
    before = call.out.read_text()
    with pytest.raises(SystemExit, match=f'other conditions: {said}. Name another --out'):
        call('--rows', 'default', *words.split())
    assert call.out.read_text() == before
    assert 'default' not in call.measured


@pytest.mark.parametrize('there', [dict(hardware='NVIDIA H200'), dict(versions=dict(torch='1.0')), dict(setting=None)])
def test_a_file_of_another_machine_or_of_something_else_is_refused(call, there):
    content = call('--rows', 'amp')
    call.out.write_text(json.dumps(content | there))
    with pytest.raises(SystemExit, match='Name another --out'):
        call('--rows', 'default')


def test_minutes_are_those_of_240_epochs_of_50000_images(call):
    assert call('--rows', 'amp')['epochs']['amp']['minutes_of_240_epochs'] == 240 * 50_000 / 1e4 / 60


def test_an_unknown_row_is_named_before_anything_is_measured(call):
    with pytest.raises(SystemExit, match='--rows quick: unknown; there are default'):
        call('--rows', 'default', 'quick')
    assert not call.measured


def test_each_way_has_a_row_in_the_table():
    assert list(readme.CLASSIFIER_ROWS) == [*epochs.ROWS, *epochs.CUDA_ROWS]


def speed(**ways):
    ratios = {name.replace('_', ', '): dict(median=value, quartiles=[value] * 2) for name, value in ways.items()}
    return dict(
        pair='resnet8x4-resnet32x4',
        hardware='NVIDIA H200',
        runner=dict(over_step=dict(median=1.2, quartiles=[1.1, 1.3])),
        epochs={name: dict(over_plain_loop=ratio) for name, ratio in ratios.items()},
    )


def test_a_gpu_has_a_column_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, 'RESULTS', tmp_path)
    of_cpu = speed(default=1.5) | dict(hardware='CPU (x86_64)', pair='resnet20-resnet56')
    (tmp_path / 'classification_speed.json').write_text(json.dumps(of_cpu))
    alone = readme.classification_speed()
    assert 'NVIDIA' not in alone
    assert '-' not in [cell.strip() for cell in alone.split('|')]
    (tmp_path / 'classification_speed_cuda.json').write_text(json.dumps(speed(captured_amp=9, default=3)))
    first, *rows = readme.classification_speed().splitlines()
    assert first.split(' | ')[1:] == [
        f'images per second / the plain loop: {readme.SPEED["classification_speed"]}',
        'NVIDIA H200, resnet8x4 ← resnet32x4 |',
    ]
    assert rows[1] == '| the config unchanged | 1.50 (1.50 to 1.50) | 3.00 (3.00 to 3.00) |'
    assert rows[2].endswith('`--amp` | - | 9.00 (9.00 to 9.00) |')
    assert rows[3] == ''
    assert rows[-1] == "| the Runner's step / a bare step | 1.20 (1.10 to 1.30) | 1.20 (1.10 to 1.30) |"
    assert len(rows) == 7
