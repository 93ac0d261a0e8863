"""A run that ends while it writes a checkpoint leaves a complete one to resume from."""

import os
import resource
import signal
from contextlib import contextmanager

import pytest
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from tests import runs, tiny
from tools import train

ITERATIONS = 6


@HOOKS.register_module()
class KilledAsItSaves(Hook):
    """Kill the run as it is about to write the checkpoint of an iteration, unless it has been resumed."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_save_checkpoint(self, runner, checkpoint):
        if runner.iter + 1 == self.iteration and not runner._resume:
            os.kill(os.getpid(), signal.SIGKILL)


def config_of(folder, killed_after=0, keep=1):
    data = tiny.write_coco(folder / 'data')
    cfg = Config.fromfile(runs.tiny_config(folder / 'tiny.py', data, max_iters=ITERATIONS, checkpoint_interval=2))
    cfg.default_hooks.checkpoint.max_keep_ckpts = keep
    cfg.custom_hooks = [dict(type='KilledAsItSaves', iteration=killed_after)]
    return runs.config_file(folder / 'config.py', cfg)


def trained(config, folder, *flags):
    return runs.run(train.main, [config, '--work-dir', folder / 'work', *flags], folder)


def checkpoints_in(folder):
    return sorted(path.name for path in (folder / 'work').glob('iter_*'))


@pytest.mark.parametrize(('killed_after', 'left'), [(4, 2), (6, 4)])
def test_killed_as_it_saves_it_goes_on_from_the_only_checkpoint_it_keeps(tmp_path, killed_after, left):
    config = config_of(tmp_path, killed_after)
    assert trained(config, tmp_path).code == -signal.SIGKILL
    assert checkpoints_in(tmp_path) == [f'iter_{left}.pth']
    finished = trained(config, tmp_path, '--resume')
    assert finished.code == 0, finished.text
    assert len(runs.scalars(tmp_path / 'work')) == ITERATIONS
    assert checkpoints_in(tmp_path) == [f'iter_{ITERATIONS}.pth']


@pytest.mark.parametrize(('keep', 'left'), [(0, [2, 4, 6]), (1, [6]), (2, [4, 6]), (-1, [2, 4, 6])])
def test_as_many_checkpoints_are_kept_as_were_asked_for(tmp_path, keep, left):
    assert trained(config_of(tmp_path, keep=keep), tmp_path).code == 0
    assert checkpoints_in(tmp_path) == [f'iter_{step}.pth' for step in left]


@contextmanager
def small_disk():
    """Limits files to 10 bytes, so that a larger write fails as on a full disk; also pytest's own, if it has one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_written_leaves_the_one_there_as_it_is(tmp_path):
    path = tmp_path / 'last.pth'
    LocalBackend().put(b'whole', path)
    with small_disk(), pytest.raises(OSError, match='too large'):
        LocalBackend().put(bytes(100), path)
    assert path.read_bytes() == b'whole'
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / 'link.pth').symlink_to(tmp_path / 'elsewhere.pth')
    LocalBackend().put(b'whole', tmp_path / 'link.pth')
    assert (tmp_path / 'link.pth').is_symlink()
    assert (tmp_path / 'elsewhere.pth').read_bytes() == b'whole'
