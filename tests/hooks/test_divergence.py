"""DivergenceHook: a run that has diverged ends with an error that says what to change; broken weights are not saved."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from luminet_det.hooks import DivergenceHook
from tests import runs, tiny
from tools import train

NAN = float('nan')


def test_a_run_that_diverges_ends_before_its_weights_are_saved(tmp_path, data):
    config = runs.tiny_config(tmp_path / 'c.py', data, tiny.faster_rcnn(), max_iters=8)
    cfg = Config.fromfile(config)
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=1e6)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=4)
    finished = runs.run(train.main, [runs.config_file(config, cfg), '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code != 0
    assert 'The run has diverged: at iteration 4 loss_' in finished.last_line
    assert 'at learning rate 1e+06' in finished.last_line
    assert '--auto-scale-lr' in finished.last_line
    assert not list((tmp_path / 'work').glob('*.pth'))


@pytest.fixture
def runner():
    model = nn.Linear(2, 1)
    optimizer = SimpleNamespace(get_lr=lambda: dict(lr=[0.5]))
    return SimpleNamespace(model=model, optim_wrapper=optimizer, iter=0)


def train_for(hook, runner, *losses):
    for iteration, loss in enumerate(losses):
        runner.iter = iteration
        hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(loss), loss_cls=torch.tensor(loss), acc=NAN))


def test_an_iteration_that_mixed_precision_leaves_out_does_not_end_the_run(runner):
    hook = DivergenceHook(interval=1)
    train_for(hook, runner, 1.0, NAN, NAN, 1.0, NAN, NAN)
    hook = DivergenceHook(interval=1)
    with pytest.raises(FloatingPointError, match=r'at iteration \d+ loss_cls is nan, and at learning rate 0\.5'):
        train_for(hook, runner, NAN, float('inf'), NAN)


def test_a_loss_is_counted_once_however_many_checkpoints_follow_it(runner):
    hook = DivergenceHook(interval=1)
    train_for(hook, runner, NAN)
    for _ in range(3):  # the epoch's checkpoint, the best one, and the epoch's again
        hook.before_save_checkpoint(runner, {})
    with pytest.raises(FloatingPointError, match='will not recover'):
        train_for(hook, runner, NAN, NAN, NAN)  # the first is the iteration that was counted already


def test_weights_that_are_not_finite_end_it_at_once(runner):
    runner.model.weight.data[0, 0] = NAN
    with pytest.raises(FloatingPointError, match='will not recover'):
        train_for(DivergenceHook(interval=1), runner, NAN)


def test_broken_weights_are_not_saved_though_the_last_loss_was_a_number(runner):
    hook = DivergenceHook(interval=1)
    train_for(hook, runner, 1.0)
    hook.before_save_checkpoint(runner, {})
    runner.model.weight.data[0, 0] = NAN
    with pytest.raises(FloatingPointError, match='weights are not finite.*load_from=.*--resume restores'):
        hook.before_save_checkpoint(runner, {})


def test_between_looks_the_loss_is_left_alone_but_not_before_a_checkpoint(runner):
    hook = DivergenceHook(interval=50)
    runner.model.weight.data[0, 0] = NAN
    train_for(hook, runner, 1.0, NAN)
    with pytest.raises(FloatingPointError, match='at iteration 2'):
        hook.before_save_checkpoint(runner, {})
