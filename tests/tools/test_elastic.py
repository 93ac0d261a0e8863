"""A run survives the loss of a process, and torchrun does not restart a run that would fail again."""

import os
import signal
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from torch.distributed import DistNetworkError, TCPStore

from luminet_det.compat import elastic
from tests import pairs, ranks, runs, tiny
from tests.tools.test_scripts import call
from tools import train


@pytest.fixture
def launch(monkeypatch):
    """A store such as torchrun provides for a run, with its address in the environment."""
    store = TCPStore('127.0.0.1', 0, is_master=True)
    monkeypatch.setenv('LUMINET_DET_STORE', f'127.0.0.1:{store.port}')
    return store


@pytest.fixture
def told(monkeypatch):
    """The signals that this process sends to torchrun, which has started it: (process id, signal)."""
    sent = []
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setattr(
        elastic, 'os', SimpleNamespace(kill=lambda *what: sent.append(what), getppid=lambda: 7, environ=os.environ)
    )
    return sent


def start(work, **settings):
    """`resume` and `load_from` of a process that starts now."""
    cfg = Config(dict(work_dir=str(work), **settings))
    elastic.adopt_checkpoint(cfg)
    return cfg.get('resume'), cfg.get('load_from')


def save(work, name):
    work.mkdir(exist_ok=True)
    (work / 'last_checkpoint').write_text(str(work / name))


def test_a_run_goes_on_from_a_checkpoint_that_it_has_saved_itself(tmp_path, launch):
    assert start(tmp_path) == (None, None)
    assert start(tmp_path) == (None, None)
    save(tmp_path, 'iter_2.pth')
    assert start(tmp_path) == (True, None)


def test_an_older_runs_checkpoint_in_the_work_dir_is_left_alone(tmp_path, launch):
    save(tmp_path, 'iter_2.pth')
    for _ in range(3):
        assert start(tmp_path) == (None, None)
    os.utime(tmp_path / 'last_checkpoint', ns=(0, 0))
    assert start(tmp_path) == (True, None)


def test_until_it_has_saved_one_a_run_starts_as_it_was_told_to(tmp_path, launch):
    told = dict(resume=True, load_from='old.pth')
    for _ in range(2):
        assert start(tmp_path, **told) == (True, 'old.pth')
    save(tmp_path, 'iter_9.pth')
    assert start(tmp_path, **told) == (True, None)


def test_without_the_launcher_nothing_is_looked_up(tmp_path, monkeypatch):
    monkeypatch.delenv('LUMINET_DET_STORE', raising=False)
    save(tmp_path, 'iter_2.pth')
    assert start(tmp_path) == (None, None)


@pytest.mark.parametrize('error', [ValueError('a wrong setting'), SystemExit(2)])
def test_what_fails_before_the_first_step_is_not_repeated(told, error, capsys):
    with pytest.raises(type(error)), elastic.not_repeated(lambda: False):
        raise error
    assert told == [(7, signal.SIGTERM)]
    # Printed before torchrun is told, since it ends this process before Python could say why.
    assert ('a wrong setting' in capsys.readouterr().err) == isinstance(error, ValueError)


@pytest.mark.parametrize(('begun', 'error'), [(True, ValueError), (False, DistNetworkError)])
def test_a_failure_after_it_or_a_lost_connection_is_repeated(told, begun, error):
    with pytest.raises(error), elastic.not_repeated(lambda: begun):
        raise error('lost')
    assert not told


def test_a_run_whose_numbers_are_none_is_not_repeated(told):
    with pytest.raises(FloatingPointError), elastic.not_repeated(lambda: True):
        raise FloatingPointError('the run has diverged')
    assert told == [(7, signal.SIGTERM)]


def test_without_torchrun_nothing_is_sent(told, monkeypatch):
    monkeypatch.delenv('TORCHELASTIC_RUN_ID')
    with pytest.raises(ValueError, match='a wrong setting'), elastic.not_repeated(lambda: False):
        raise ValueError('a wrong setting')
    elastic.end()
    assert not told


def test_a_killed_process_costs_the_steps_since_the_last_checkpoint_and_nothing_else(tmp_path, data, teacher):
    """With torchrun, a real SIGKILL before the fifth iteration, and the work dir of an older run."""
    model = pairs.distilling(tiny.faster_rcnn(), teacher)
    settings = dict(max_iters=6, checkpoint_interval=2, val=False, custom_imports=dict(imports=['tests.ranks']))
    whole = runs.tiny_config(tmp_path / 'whole.py', data, model, **settings)
    finished = ranks.run(train.main, [whole, '--launcher', 'pytorch', '--work-dir', tmp_path / 'whole'], tmp_path)
    assert [rank.code for rank in finished] == [0, 0], finished[0].text
    work = tmp_path / 'work'
    save(work, 'iter_700.pth')
    loss = dict(type='LossHook', iteration=4, rank=1, note=str(tmp_path / 'lost'))
    config = runs.tiny_config(tmp_path / 'lost.py', data, model, custom_hooks=[loss], **settings)
    environ = dict(PORT=ranks.free_port(), OMP_NUM_THREADS='1')
    finished = call('dist_train.sh', config, '2', '--work-dir', work, **environ)
    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, output
    assert (tmp_path / 'lost').is_file()
    assert f'Auto resumed from the latest checkpoint {work}/iter_4.pth' in output
    assert runs.scalars(work) == runs.scalars(tmp_path / 'whole')
    assert sorted(runs.scalars(work)) == [1, 2, 3, 4, 5, 6]
