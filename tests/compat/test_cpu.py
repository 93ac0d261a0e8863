"""slurm's variables become torch's, and mixed precision warns on CPUs that only emulate bfloat16."""

import os

import pytest
import torch
from torch import nn

from luminet_det.compat import cpu


@pytest.mark.parametrize(
    ('said', 'warns'),
    [
        (dict(architecture='x86_64', avx512_bf16=False, amx_bf16=False), True),
        (dict(architecture='x86_64', avx512_bf16=True, amx_bf16=False), False),
        (dict(architecture='x86_64', avx512_bf16=False, amx_bf16=True), False),
        (dict(architecture='aarch64'), False),
        (None, False),
    ],
)
def test_mixed_precision_warns_of_a_cpu_that_only_emulates_it(monkeypatch, said, warns):
    if said is None:
        monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    else:
        monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: said, raising=False)
    warnings = []
    monkeypatch.setattr(cpu, 'print_log', lambda text, *_: warnings.append(text))
    cpu.CpuAmpOptimWrapper(torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1))
    assert ['leave out --amp' in text for text in warnings] == [True] * warns


@pytest.fixture
def slurm(monkeypatch, tmp_path):
    """Environment variables as srun sets them, and a `scontrol` that lists three hosts."""
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    for name, value in dict(PROCID='5', NTASKS='8', LOCALID='1', NODELIST='node[3-5]').items():
        monkeypatch.setenv(f'SLURM_{name}', value)
    program = tmp_path / 'scontrol'
    program.write_text('#!/bin/sh\n[ "$*" = "show hostnames node[3-5]" ] && printf "node3\\nnode4\\nnode5\\n"\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')


def test_slurms_variables_become_torchs(slurm):
    cpu._read_slurm()
    assert [os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')] == ['5', '8', '1']
    assert (os.environ['MASTER_ADDR'], os.environ['MASTER_PORT']) == ('node3', '29500')


def test_a_given_address_is_kept_and_scontrol_not_called(slurm, monkeypatch):
    monkeypatch.setenv('MASTER_ADDR', 'elsewhere')
    monkeypatch.setenv('MASTER_PORT', '1234')
    monkeypatch.setenv('PATH', '')
    cpu._read_slurm()
    assert (os.environ['MASTER_ADDR'], os.environ['MASTER_PORT']) == ('elsewhere', '1234')


def test_outside_slurm_the_error_names_what_starts_it(slurm, monkeypatch):
    monkeypatch.delenv('SLURM_PROCID')
    with pytest.raises(ValueError, match=r'reads SLURM_PROCID, which srun sets; start it by tools/slurm_train\.sh'):
        cpu._read_slurm()
