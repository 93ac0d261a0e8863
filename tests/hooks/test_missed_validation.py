"""MissedValidationHook: a validation that a kill prevented is made up for when the run resumes."""

import json
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from luminet_det.hooks.missed_validation import RECORD, MissedValidationHook, _is_due
from luminet_det.sweep.point import validations
from tests import runs
from tools import train

METRIC = 'coco/bbox_mAP'
TOLD = 'has no validation of the resumed checkpoint'


@HOOKS.register_module()
class KillHook(Hook):
    """Send this process a signal as a validation begins."""

    def __init__(self, number=signal.SIGKILL.value):
        self.number = number

    def before_val_epoch(self, runner):
        os.kill(os.getpid(), self.number)


def steps(work_dir):
    return [entry['step'] for entry in validations(work_dir)]


def train_and_kill(folder, config, iteration, val):
    """Train until SIGKILL before an iteration of training, or of validation if `val`; returns the config to resume."""
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='SignalHook', number=signal.SIGKILL.value, iteration=iteration, val=val)]
    config = runs.config_file(folder / 'killed.py', cfg)
    finished = runs.run(train.main, [config, '--work-dir', folder / 'work'], folder)
    assert finished.code == -signal.SIGKILL, finished.text
    return config


def resume(folder, config, *flags):
    finished = runs.run(train.main, [config, '--work-dir', folder / 'work', '--resume', *flags], folder)
    assert finished.code == 0, finished.text
    return finished.text


@pytest.mark.parametrize('length', [dict(max_iters=4), dict(max_epochs=1)])
def test_a_run_killed_in_its_last_validation_makes_it_when_it_resumes(tmp_path, data, length):
    interval = length.get('max_epochs', 4)
    config = runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=interval, **length)
    killed = train_and_kill(tmp_path, config, 0, val=True)
    assert steps(tmp_path / 'work') == []
    assert TOLD in resume(tmp_path, killed)
    assert steps(tmp_path / 'work') == [interval]
    # The validation is made up for only once.
    assert TOLD not in resume(tmp_path, killed)


def test_what_is_validated_is_not_validated_again(tmp_path, data):
    cfg = Config.fromfile(runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=1, max_epochs=2))
    cfg.train_cfg.val_interval = 1
    config = runs.config_file(tmp_path / 'each.py', cfg)
    assert TOLD not in resume(tmp_path, train_and_kill(tmp_path, config, 5, val=False))
    assert steps(tmp_path / 'work') == [1, 2]


# With this threshold no score after the first counts as better, so the learning rate drops after each of them.
PLATEAU = {
    'param_scheduler': [
        dict(type='ReduceOnPlateauLR', monitor=METRIC, rule='greater', patience=0, threshold=9, threshold_rule='abs')
    ],
    'train_cfg.val_interval': 1,
    'model.test_cfg.rcnn.score_thr': 0.0,
    'default_hooks.result': dict(type='luminet_det.ResultHook', metric=METRIC),
}


def is_as(found, expected):
    """Whether two runs have the same learning rates, losses and scores, and the same validations in their history."""
    names = ('lr', 'loss', METRIC)
    equal = [runs.scalars(found, name) == runs.scalars(expected, name) != {} for name in names]
    history, whole = (json.loads((folder / 'result.json').read_text())['history'] for folder in (found, expected))
    return all(equal) and history == whole


def test_a_learning_rate_that_follows_the_scores_drops_in_the_same_epoch_after_a_resume(tmp_path, data, uninterrupted):
    settings = dict(max_epochs=3, checkpoint_interval=1) | PLATEAU
    config = runs.tiny_config(tmp_path / 'tiny.py', data, **settings)
    assert 'depends on the scores' in resume(tmp_path, train_and_kill(tmp_path, config, 9, val=False))
    assert is_as(tmp_path / 'work', uninterrupted(**settings))
    assert len(set(runs.scalars(tmp_path / 'work', 'lr').values())) == 2


@pytest.mark.parametrize('noted', [True, False], ids=['noted', 'not noted'])
def test_a_score_that_is_in_the_checkpoint_is_followed_once(tmp_path, data, uninterrupted, noted):
    """After a best score, its checkpoint is saved again."""
    best = {'default_hooks.checkpoint.save_best': METRIC, 'train_cfg.val_begin': 2}
    settings = dict(max_epochs=3, checkpoint_interval=1) | PLATEAU | best
    config = runs.tiny_config(tmp_path / 'tiny.py', data, **settings)
    killed = train_and_kill(tmp_path, config, 9, val=False)
    work = tmp_path / 'work'
    assert torch.load(work / 'epoch_2.pth')['param_schedulers'][0]['best'] is not None
    if not noted:
        (work / RECORD).unlink()
    resume(tmp_path, killed)
    assert is_as(work, uninterrupted(**settings))


def test_a_signal_in_a_validation_leaves_none_to_be_made(tmp_path, data):
    cfg = Config.fromfile(runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=4, max_iters=4))
    cfg.custom_hooks = [dict(type='SignalHook', number=signal.SIGTERM.value, iteration=0, val=True)]
    config = runs.config_file(tmp_path / 'told.py', cfg)
    assert runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path).code == 128 + signal.SIGTERM
    assert TOLD not in resume(tmp_path, config)
    assert steps(tmp_path / 'work') == [4]


def test_a_new_run_in_an_old_folder_owes_its_own_validation(tmp_path, data):
    config = runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=4, max_iters=4)
    assert runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path).code == 0
    assert TOLD in resume(tmp_path, train_and_kill(tmp_path, config, 0, val=True))


def test_what_a_run_went_back_behind_is_validated_again(tmp_path, data):
    config = runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=2, max_iters=4)
    assert runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path).code == 0
    cfg = Config.fromfile(config)
    (tmp_path / 'work' / 'iter_4.pth').unlink()
    # SignalHook would not kill a resumed run.
    cfg.custom_hooks = [dict(type='KillHook')]
    words = [runs.config_file(tmp_path / 'back.py', cfg), '--work-dir', tmp_path / 'work', '--resume']
    killed = runs.run(train.main, [*words, tmp_path / 'work' / 'iter_2.pth'], tmp_path)
    assert killed.code == -signal.SIGKILL, killed.text
    assert TOLD in resume(tmp_path, config)


@pytest.mark.parametrize('content', ['', 'x'])
def test_a_record_that_was_cut_short_counts_for_nothing(tmp_path, data, content):
    config = runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=4, max_iters=4)
    killed = train_and_kill(tmp_path, config, 0, val=True)
    (tmp_path / 'work' / RECORD).write_text(content)
    assert TOLD in resume(tmp_path, killed)


def test_a_signal_in_the_validation_that_is_made_up_waits_for_its_end(tmp_path, data):
    config = runs.tiny_config(tmp_path / 'tiny.py', data, checkpoint_interval=4, max_iters=4)
    train_and_kill(tmp_path, config, 0, val=True)
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='KillHook', number=signal.SIGTERM.value)]
    words = [runs.config_file(tmp_path / 'told.py', cfg), '--work-dir', tmp_path / 'work', '--resume']
    told = runs.run(train.main, words, tmp_path)
    assert told.code == 128 + signal.SIGTERM, told.text
    assert 'Resume with:' in told.text
    assert steps(tmp_path / 'work') == [4]
    assert TOLD not in resume(tmp_path, config)


def test_a_best_checkpoint_of_a_validation_that_is_made_up_is_noted_in_the_resumed_one(tmp_path):
    """mmengine saves the resumed checkpoint once more if the CheckpointHook knows its path."""
    saver = CheckpointHook()
    hub = SimpleNamespace(get_info={'last_ckpt': 'iter_10.pth'}.get, update_info=lambda *of: None)
    known = []
    runner = SimpleNamespace(
        work_dir=tmp_path,
        train_loop=loop_of(IterBasedTrainLoop, 10, 10, 3),
        val_loop=SimpleNamespace(run=lambda: known.append(saver.last_ckpt)),
        iter=10,
        epoch=0,
        hooks=[saver],
        logger=SimpleNamespace(info=print),
        message_hub=hub,
        model=SimpleNamespace(train=lambda: None),
    )
    MissedValidationHook().before_train(runner)
    assert known == ['iter_10.pth']


def loop_of(kind, length, done, interval, begin=1, dynamic=None):
    loop = kind.__new__(kind)
    loop.dataloader, loop.val_begin, loop.val_interval = range(5), begin, interval
    loop.dynamic_milestones, loop.dynamic_intervals = zip((0, interval), *(dynamic or ()), strict=True)
    loop.__dict__.update(dict(_max_epochs=length, _epoch=done, _max_iters=length, _iter=done))
    return loop


@pytest.mark.parametrize(
    ('epoch', 'iterations', 'setting', 'due'),
    [
        (9, 45, {}, True),
        (8, 40, {}, False),
        (10, 50, {}, True),
        (9, 47, {}, False),
        (9, 50, {}, False),
        (3, 15, dict(begin=4), False),
        (8, 40, dict(dynamic=[(7, 1)]), True),
        (5, 25, dict(dynamic=[(7, 1)]), False),
    ],
    ids=[
        'interval',
        'between',
        'the last',
        'within an epoch',
        'the last iteration of one',
        'before the first',
        'denser at the end',
        'not yet',
    ],
)
def test_what_is_due_is_what_the_loop_would_validate(epoch, iterations, setting, due):
    """The loop validates after every third of ten epochs, and after the last."""
    loop = loop_of(EpochBasedTrainLoop, 10, epoch, 3, **setting)
    assert _is_due(SimpleNamespace(train_loop=loop, val_loop=object(), iter=iterations, epoch=epoch)) == due


@pytest.mark.parametrize(('iteration', 'due'), [(6, True), (7, False), (10, True)])
def test_iterations_count_as_epochs_do(iteration, due):
    loop = loop_of(IterBasedTrainLoop, 10, iteration, 3)
    assert _is_due(SimpleNamespace(train_loop=loop, val_loop=object(), iter=iteration, epoch=0)) == due


def test_a_run_without_a_validation_owes_none():
    loop = loop_of(IterBasedTrainLoop, 10, 10, 3)
    assert not _is_due(SimpleNamespace(train_loop=loop, val_loop=None, iter=10, epoch=0))
