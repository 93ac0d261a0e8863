"""Mixed precision and several processes on a machine without GPUs; mmengine expects GPUs for both."""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import distributed, nn


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16 for CPUs, where `AmpOptimWrapper` refuses to run; it needs no loss scaling.

    Warns if the CPU only emulates bfloat16.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if emulates_bf16():
            print_log(
                'This CPU has no bfloat16 instructions, and emulating them takes longer than float32: leave out --amp, '
                "or set optim_wrapper.type='OptimWrapper'.",
                'current',
                logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in bfloat16 where torch's autocast considers it safe."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def emulates_bf16() -> bool:
    """Whether this is an x86 CPU without bfloat16 instructions; False before torch 2.11, which cannot tell."""
    found = getattr(torch.cpu, 'get_capabilities', dict)()
    return found.get('architecture') == 'x86_64' and not (found['avx512_bf16'] or found['amx_bf16'])


def distribute(cfg: Config) -> None:
    """Join the launcher's processes by gloo, and keep DDP from using GPUs; mmengine would look for CUDA devices."""
    if not distributed.is_initialized():
        if cfg.launcher == 'slurm':
            _read_slurm()
        distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    ) | (cfg.get('model_wrapper_cfg') or {})


def _read_slurm() -> None:
    """Set torch's environment variables from slurm's; MASTER_ADDR and MASTER_PORT are kept if set."""
    try:
        for name, slurms in (('RANK', 'PROCID'), ('WORLD_SIZE', 'NTASKS'), ('LOCAL_RANK', 'LOCALID')):
            os.environ[name] = os.environ[f'SLURM_{slurms}']
    except KeyError as error:
        raise ValueError(
            f'--launcher slurm reads {error.args[0]}, which srun sets; start it by tools/slurm_train.sh or srun.'
        ) from error
    os.environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in os.environ:
        command = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        hosts = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        os.environ['MASTER_ADDR'] = hosts[0]
