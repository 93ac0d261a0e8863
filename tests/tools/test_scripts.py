"""The shell scripts: they start the right program with every argument intact, and two processes stop together."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import ranks, runs


def call(script, *words, path=None, **environ):
    """Run a script with the programs of `path`, if given, and then this Python's first on the PATH."""
    folders = [path, Path(sys.executable).parent, os.environ['PATH']]
    environ = dict(os.environ, PATH=os.pathsep.join(str(f) for f in folders if f), **environ)
    command = ['bash', str(runs.TOOLS / script), *(str(word) for word in words)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=runs.TIMEOUT)


@pytest.fixture
def recorder(tmp_path):
    """A folder whose `torchrun` and `srun` print their arguments, one per line, and the command that would resume."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in ('torchrun', 'srun'):
        program = folder / name
        program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho "resume: $LUMINET_DET_COMMAND"\n')
        program.chmod(0o755)
    return folder


def test_dist_train_starts_torchrun(recorder):
    environ = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='node0', PORT='1234', MAX_RESTARTS='5')
    finished = call('dist_train.sh', 'a config.py', '4', '--cfg-options', 'a="[1, 2]"', path=recorder, **environ)
    words = finished.stdout.splitlines()
    assert words[:6] == [
        '--nnodes=2', '--rdzv_backend=c10d', '--rdzv_endpoint=node0:1234', '--rdzv_conf=is_host=false',
        '--nproc_per_node=4', '--max_restarts=5',
    ]  # fmt: skip
    assert words[6].endswith('tools/train.py')
    assert words[7:12] == ['a config.py', '--launcher', 'pytorch', '--cfg-options', 'a="[1, 2]"']
    script = runs.TOOLS / 'dist_train.sh'
    assert shlex.split(words[12]) == [
        'resume:', 'NNODES=2', 'NODE_RANK=1', 'MASTER_ADDR=node0', 'PORT=1234', 'MAX_RESTARTS=5',
        'bash', str(script), 'a config.py', '4', '--cfg-options', 'a="[1, 2]"',
    ]  # fmt: skip


def test_the_first_machine_is_where_the_others_meet(recorder):
    words = call('dist_train.sh', 'c.py', '4', path=recorder).stdout.splitlines()
    assert words[:7] == [
        '--nnodes=1', '--rdzv_backend=c10d', '--rdzv_endpoint=127.0.0.1:29500', '--rdzv_conf=is_host=true',
        '--local_addr=127.0.0.1', '--nproc_per_node=4', '--max_restarts=3',
    ]  # fmt: skip


def test_dist_test_starts_torchrun(recorder):
    words = call('dist_test.sh', 'c.py', 'w.pth', '2', '--out', 'a b.pkl', path=recorder).stdout.splitlines()
    assert words[4] == '--nproc_per_node=2'
    assert words[5].endswith('tools/test.py')
    assert words[6:12] == ['c.py', 'w.pth', '--launcher', 'pytorch', '--out', 'a b.pkl']


def test_slurm_train_starts_srun(recorder):
    environ = dict(GPUS='4', GPUS_PER_NODE='2', CPUS_PER_TASK='3', SRUN_ARGS='--qos=high --time=1')
    words = call('slurm_train.sh', 'gpu', 'my job', 'c.py', 'work dir', '--amp', path=recorder, **environ)
    words = words.stdout.splitlines()
    assert words[:9] == [
        '--partition=gpu', '--job-name=my job', '--gres=gpu:2', '--ntasks=4', '--ntasks-per-node=2',
        '--cpus-per-task=3', '--kill-on-bad-exit=1', '--qos=high', '--time=1',
    ]  # fmt: skip
    assert words[9:11] == ['python', '-u']
    assert words[12:18] == ['c.py', '--work-dir', 'work dir', '--launcher', 'slurm', '--amp']
    assert words[18].startswith('resume: GPUS=4 GPUS_PER_NODE=2 CPUS_PER_TASK=3 SRUN_ARGS=--qos')
    assert shlex.split(words[18])[-6:] == [
        str(runs.TOOLS / 'slurm_train.sh'),
        'gpu',
        'my job',
        'c.py',
        'work dir',
        '--amp',
    ]


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_too_few_words_show_the_usage(script):
    finished = call(script, 'c.py')
    assert finished.returncode == 2
    assert f': {script} ' in finished.stderr


def test_two_processes_stop_together_when_one_is_told_to(tmp_path, data):
    """On the CPU with gloo: the second process is told after iteration 1; they agree at the next multiple of 4."""
    interrupt = dict(type='luminet_det.InterruptHook', interval=4)
    signal = dict(type='SignalHook', number=15, iteration=1, rank=1)
    config = runs.tiny_config(
        tmp_path / 'two.py',
        data,
        max_iters=8,
        val=False,
        custom_hooks=[interrupt, signal],
        custom_imports=dict(imports=['tests.runs']),
    )
    work = tmp_path / 'work'
    environ = dict(PORT=ranks.free_port(), OMP_NUM_THREADS='1')
    finished = call('dist_train.sh', config, '2', '--work-dir', work, **environ)
    output = finished.stdout + finished.stderr
    assert finished.returncode != 0
    assert torch.load(work / 'interrupted_iter_4.pth')['meta']['iter'] == 4, output
    assert f'bash {runs.TOOLS}/dist_train.sh {config} 2 --work-dir {work} --resume' in output
    assert sorted(runs.scalars(work)) == [1, 2, 3, 4]
    # torchrun does not restart a run that was told to stop.
    assert len(list(work.glob('*/vis_data'))) == 1
