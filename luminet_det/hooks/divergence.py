"""DivergenceHook: a run whose loss is no number any more ends, and says so."""

from collections.abc import Mapping

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from luminet_det.registry import HOOKS

PATIENCE = 3


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stop a run whose loss is NaN or infinite, before a checkpoint of it is written.

    The loss is looked at every `interval` iterations and before each checkpoint; on a GPU a look waits for the device.
    The run ends once trained weights are not finite either, which nothing mends, or at the third such loss in a row:
    mixed precision leaves out single iterations that overflow. (mmdet's `CheckInvalidLossHook` ends a run at the first,
    and looks at none before a checkpoint.)

    Args:
        interval: Iterations from one look to the next.

    Raises:
        FloatingPointError: The run has diverged; says which losses, and at which learning rate.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._losses: Mapping[str, Tensor] = {}
        self._iteration = self._in_a_row = self._counted = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Look, if it is time, or the last look found something."""
        self._losses, self._iteration = outputs or {}, runner.iter + 1
        if self._in_a_row or self.every_n_train_iters(runner, self.interval):
            self._look(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look, so that what is saved can be gone on from."""
        self._look(runner, saves=True)

    def _distils(self) -> bool:
        return any(name.startswith('share_') for name in self._losses)

    def _look(self, runner: Runner, saves: bool = False) -> None:
        sound = is_finite(self._losses.get('loss', 0.0))
        # Several checkpoints may be saved after one iteration, whose loss is one.
        if self._counted != self._iteration:
            self._in_a_row = 0 if sound else self._in_a_row + 1
            self._counted = self._iteration
        looks = saves or not sound
        if self._in_a_row < PATIENCE and not (looks and broken_weights(runner)):
            return
        broken = {name: float(loss) for name, loss in self._losses.items() if 'loss' in name and not is_finite(loss)}
        what = said(broken) if broken else 'weights are not finite'
        (rate, *_), *_ = runner.optim_wrapper.get_lr().values()
        raise FloatingPointError(
            f'The run has diverged: at iteration {self._iteration} {what}, and at learning rate {rate:g} it '
            'will not come back. Lower optim_wrapper.optimizer.lr (those of mmdet are for 16 images an iteration; '
            '--auto-scale-lr makes one fit fewer), lengthen the warm-up, or clip gradients by '
            'optim_wrapper.clip_grad=dict(max_norm=35, norm_type=2)'
            + (', or lower loss_weight of a term whose share_ in the log was near 1' if self._distils() else '')
            + '. This has not been saved. With another learning '
            'rate or warm-up start from the checkpoint before by --cfg-options load_from=..., for --resume brings back '
            'those that it was saved with; with clip_grad --resume will do.'
        )


def broken_weights(runner: Runner) -> bool:
    return not all(map(is_finite, runner.model.parameters()))


def is_finite(tensor: Tensor) -> bool:
    return bool(torch.as_tensor(tensor).isfinite().all())


def said(broken: Mapping[str, float]) -> str:
    """The losses by name; their total only if no part of it is broken."""
    parts = {name: value for name, value in broken.items() if name != 'loss'} or broken
    return ', '.join(f'{name} is {value}' for name, value in parts.items())
