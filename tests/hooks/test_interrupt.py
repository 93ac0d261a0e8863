"""InterruptHook: Ctrl-C saves a checkpoint and prints the command that resumes the run, with the same losses."""

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from luminet_det.hooks import InterruptHook
from luminet_det.hooks.interrupt import resume_command
from tests import runs
from tools import train


def interrupted(folder, data, number=signal.SIGINT, flags=(), when=None, model=None, **settings):
    """Train, with a signal at a known moment; returns the config and the finished run."""
    hook = dict(type='SignalHook', number=number.value, **(when or dict(iteration=2)))
    config = runs.tiny_config(folder / 'tiny.py', data, model, custom_hooks=[hook], **settings)
    argv = [config, '--work-dir', folder / 'work', *flags]
    return config, runs.run(train.main, argv, folder)


def resumed(config, folder):
    finished = runs.run(train.main, [config, '--work-dir', folder / 'work', '--resume'], folder)
    assert finished.code == 0, finished.text
    return runs.scalars(folder / 'work')


def meta(folder, iteration):
    path = folder / 'work' / f'interrupted_iter_{iteration}.pth'
    assert Path((folder / 'work' / 'last_checkpoint').read_text()) == path
    return torch.load(path)['meta']


@pytest.fixture
def interrupting(monkeypatch):
    """An InterruptHook that leaves the signal handlers of the test process alone."""
    monkeypatch.setattr(signal, 'signal', lambda number, handler: signal.default_int_handler)
    # If a script runs the tests in the background, they start with SIGINT ignored.
    monkeypatch.setattr(signal, 'getsignal', lambda number: signal.default_int_handler)
    return InterruptHook(command='again')


def test_ctrl_c_in_a_terminal(tmp_path, data):
    """With real processes, a signal to their whole group, and the printed command run by a shell."""
    config = runs.tiny_config(tmp_path / 'tiny.py', data, max_iters=200, num_workers=1, val=False)
    tool, work = runs.TOOLS / 'train.py', tmp_path / 'work'
    environ = dict(os.environ, PYTHONPATH=str(runs.TOOLS.parent), OMP_NUM_THREADS='1')
    words = [sys.executable, '-u', str(tool), str(config), '--work-dir', str(work)]
    with (tmp_path / 'output.txt').open('w+') as output:
        process = subprocess.Popen(
            words,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            while 'Iter(train) [  3/' not in (tmp_path / 'output.txt').read_text():
                assert process.poll() is None, (tmp_path / 'output.txt').read_text()
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
        text = (tmp_path / 'output.txt').read_text()
    assert 'Traceback' not in text
    assert 'eta: ' in text
    command = text.rstrip().rpartition('\n')[-1]
    assert shlex.split(command) == [*words, '--resume']
    done = max(runs.scalars(work))
    assert torch.load((work / 'last_checkpoint').read_text())['meta']['iter'] == done < 200
    again = subprocess.run(
        f'{command} --cfg-options train_cfg.max_iters={done + 2}', shell=True, env=environ, capture_output=True
    )
    assert again.returncode == 0, again.stderr.decode()
    assert sorted(runs.scalars(work)) == list(range(1, done + 3))


@pytest.mark.parametrize(
    ('settings', 'iteration'),
    [(dict(max_iters=8), 2), (dict(max_epochs=2, num_workers=1), 5), (dict(max_epochs=2), 3)],
    ids=['iterations', 'in an epoch, worker', 'last of an epoch'],
)
def test_resumed_losses_and_schedule_equal_the_uninterrupted_runs(tmp_path, data, uninterrupted, settings, iteration):
    config, finished = interrupted(tmp_path, data, when=dict(iteration=iteration), **settings)
    assert finished.code == 130, finished.text
    assert meta(tmp_path, iteration + 1)['iter'] == iteration + 1
    assert resumed(config, tmp_path) == runs.scalars(uninterrupted(**settings))
    for name in ('lr', 'coco/bbox_mAP'):
        found = runs.scalars(tmp_path / 'work', name)
        assert found == runs.scalars(uninterrupted(**settings), name) != {}


@pytest.mark.parametrize(('saves', 'left'), [(True, 'iter_4.pth'), (False, 'interrupted_iter_3.pth')])
def test_a_finished_run_keeps_an_interruptions_checkpoint_only_where_it_has_no_later_one(tmp_path, data, saves, left):
    checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=4 if saves else -1, save_last=saves)
    config, _ = interrupted(tmp_path, data, max_iters=4, **{'default_hooks.checkpoint': checkpoint})
    assert meta(tmp_path, 3)
    resumed(config, tmp_path)
    assert [path.name for path in (tmp_path / 'work').glob('*.pth')] == [left]


def test_an_interruptions_checkpoint_is_gone_after_the_next_validation_whatever_becomes_of_the_run(tmp_path, data):
    config, _ = interrupted(tmp_path, data, max_iters=8, checkpoint_interval=4, **{'train_cfg.val_interval': 4})
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='SignalHook', number=signal.SIGKILL.value, iteration=6)]
    argv = [runs.config_file(tmp_path / 'killed.py', cfg), '--work-dir', tmp_path / 'work', '--resume']
    assert runs.run(_interrupt_again, argv, tmp_path).code == -signal.SIGKILL
    assert [path.name for path in (tmp_path / 'work').glob('*.pth')] == ['iter_4.pth']


def test_another_run_in_the_folder_leaves_an_interruptions_checkpoint_alone(tmp_path, data):
    interrupted(tmp_path, data, max_iters=4)
    other = runs.tiny_config(tmp_path / 'other.py', data, max_iters=2)
    assert runs.run(train.main, [other, '--work-dir', tmp_path / 'work'], tmp_path).code == 0
    assert (tmp_path / 'work' / 'interrupted_iter_3.pth').is_file()


def test_a_run_interrupted_twice_in_one_epoch_still_goes_on_there(tmp_path, data, uninterrupted):
    config, _ = interrupted(tmp_path, data, when=dict(iteration=4), max_epochs=2)
    assert meta(tmp_path, 5)['epoch_progress'] == [1, 4]
    again = runs.run(_interrupt_again, [config, '--work-dir', tmp_path / 'work', '--resume'], tmp_path)
    assert again.code == 130, again.text
    assert meta(tmp_path, 7)['epoch_progress'] == [3, 4]
    assert resumed(config, tmp_path) == runs.scalars(uninterrupted(max_epochs=2))


def _interrupt_again(argv):
    send = runs.SignalHook._send

    def sends_when_resumed(self, runner, iteration, val):
        runner._resume, self.iteration = False, 6
        send(self, runner, iteration, val)

    runs.SignalHook._send = sends_when_resumed
    train.main(argv)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('length', [dict(max_iters=8), dict(max_epochs=2)], ids=['iterations', 'epochs'])
def test_loader_processes_outlive_a_signal_to_all(tmp_path, data, number, length):
    when = dict(iteration=2, group=True)
    _, finished = interrupted(tmp_path, data, number, when=when, num_workers=2, **length)
    assert finished.code == 128 + number, finished.text
    assert finished.last_line.endswith('--resume')
    assert meta(tmp_path, 3)['iter'] == 3


def test_a_second_signal_exits_at_once(tmp_path, data):
    hook = dict(type='luminet_det.InterruptHook', patience=0)
    twice = dict(type='SignalHook', number=signal.SIGINT.value, iteration=2, times=2)
    config = runs.tiny_config(tmp_path / 'tiny.py', data, custom_hooks=[hook, twice])
    finished = runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 130, finished.text
    assert 'a second signal exits at once' in finished.text
    assert not (tmp_path / 'work' / 'last_checkpoint').exists()


def test_a_launcher_that_passes_the_signal_on_twice_is_forgiven(tmp_path, data):
    _, finished = interrupted(tmp_path, data, when=dict(iteration=2, times=2))
    assert finished.code == 130
    assert meta(tmp_path, 3)['iter'] == 3


def test_validation_is_finished_first(tmp_path, data):
    config, finished = interrupted(tmp_path, data, when=dict(iteration=1, val=True), max_epochs=2, **VAL_EACH_EPOCH)
    assert finished.code == 130, finished.text
    assert 'coco/bbox_mAP' in finished.text
    assert meta(tmp_path, 4)['epoch'] == 1
    assert sorted(resumed(config, tmp_path)) == list(range(1, 9))


VAL_EACH_EPOCH = {'train_cfg.val_interval': 1}


def test_gradients_that_accumulate_are_not_lost(tmp_path, data):
    _, finished = interrupted(tmp_path, data, **{'optim_wrapper.accumulative_counts': 4}, max_iters=8)
    assert finished.code == 130, finished.text
    assert meta(tmp_path, 4)['iter'] == 4


def test_before_training_ctrl_c_is_what_it_always_was(interrupting):
    with pytest.raises(KeyboardInterrupt):
        interrupting._handle(signal.SIGINT, None)


def test_a_signal_that_is_ignored_stays_so(monkeypatch):
    asked = []
    monkeypatch.setattr(signal, 'signal', lambda number, handler: asked.append(number))
    monkeypatch.setattr(signal, 'getsignal', lambda number: signal.SIG_IGN if number == signal.SIGINT else None)
    InterruptHook(command='again')
    assert asked == [signal.SIGTERM]


def test_a_forked_process_that_loads_nothing_can_be_ended(interrupting):
    """multiprocessing's pools end their processes with one SIGTERM, and then wait for them."""
    child = multiprocessing.get_context('fork').Process(target=_wait, args=(interrupting._handle,))
    child.start()
    child.terminate()
    child.join(10)
    assert child.exitcode == -signal.SIGTERM


def _wait(handler):
    signal.signal(signal.SIGTERM, handler)
    time.sleep(60)


def several_processes(hook, monkeypatch, accumulative_counts=1):
    """A function that ends an iteration, counted from 0, as one of two processes would."""
    monkeypatch.setattr('luminet_det.hooks.interrupt.get_world_size', lambda: 2)
    weight = torch.nn.Parameter(torch.zeros(1))
    wrapper = OptimWrapper(torch.optim.SGD([weight], lr=0.1), accumulative_counts=accumulative_counts)

    def end(iteration):
        wrapper.update_params(weight.sum())
        hook.after_train_iter(SimpleNamespace(iter=iteration, optim_wrapper=wrapper), iteration)

    return end


def test_several_processes_agree_only_every_interval(interrupting, monkeypatch):
    asked = []
    end = several_processes(interrupting, monkeypatch)
    monkeypatch.setattr(interrupting, '_agreed', lambda: asked.append(1) or 0)
    interrupting.interval = 5
    for iteration in range(10):
        end(iteration)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ('interval', 'accumulative_counts', 'stopped'), [(10, 1, 10), (10, 4, 12), (10, 8, 16), (5, 16, 16), (12, 4, 12)]
)
def test_several_processes_that_accumulate_stop_after_the_first_whole_step_of_an_interval(
    interrupting, monkeypatch, interval, accumulative_counts, stopped
):
    stops = []
    end = several_processes(interrupting, monkeypatch, accumulative_counts)
    monkeypatch.setattr(interrupting, '_agreed', lambda: signal.SIGTERM)
    monkeypatch.setattr(interrupting, '_stop', lambda runner, number, iteration: stops.append(iteration))
    interrupting.interval = interval
    for iteration in range(2 * stopped):
        end(iteration)
    assert stops == [stopped, 2 * stopped]


@pytest.mark.parametrize(
    ('words', 'command'),
    [
        (['python', 'tools/train.py', 'c.py'], 'python tools/train.py c.py --resume'),
        (['python', 't.py', 'c.py', '--resume'], 'python t.py c.py --resume'),
        (['python', 't.py', 'c.py', '--resume', 'a.pth', '--amp'], 'python t.py c.py --amp --resume'),
        (['python', 't.py', '--resume=a.pth', 'c.py'], 'python t.py c.py --resume'),
        (['python', 't.py', 'my config.py', '--cfg-options', 'a="[1]"'], None),
    ],
)
def test_the_line_that_resumes(words, command):
    found = resume_command(words)
    assert found == command or (command is None and shlex.split(found) == [*words, '--resume'])
