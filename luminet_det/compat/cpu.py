"""What mmengine leaves to GPUs, on a machine without one: mixed precision and several processes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import distributed, nn


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16, whose range needs no loss scaling; `AmpOptimWrapper` refuses to run on a CPU."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in bfloat16 where torch deems it safe."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def distribute(cfg: Config) -> None:
    """Join torchrun's processes by gloo, and keep DDP off GPU numbers; mmengine would look for CUDA devices."""
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    ) | (cfg.get('model_wrapper_cfg') or {})
