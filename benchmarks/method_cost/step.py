"""Step: one training step of a distilling model, ready to be repeated."""

from collections.abc import Callable

import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class Step:
    """Forward pass, losses, backward pass and the optimizer's step.

    Args:
        model: A distilling model, on its device.
        batch: Makes a new batch for `model.train_step`, which modifies its input.

    Attributes:
        learned: Number of parameters of its losses, and of peers.
        remembered: Number of values that its losses store without training them.
    """

    def __init__(self, model: nn.Module, batch: Callable[[], dict]) -> None:
        self.model = model.train()
        self.batch = batch
        self.optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4))
        beside = [getattr(model, place) for place in ('adaptors', 'peers') if hasattr(model, place)]
        self.learned = sum(p.numel() for module in beside for p in module.parameters())
        # Memories and margins; the papers do not count the running statistics of norms.
        adaptors = getattr(model, 'adaptors', nn.Module())
        parts = [part for part in adaptors.modules() if not isinstance(part, _BatchNorm)]
        self.remembered = sum(b.numel() for part in parts for b in part.buffers(recurse=False))

    def __call__(self) -> None:
        self.model.train_step(self.batch(), self.optimizer)
