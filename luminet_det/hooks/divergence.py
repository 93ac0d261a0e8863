"""DivergenceHook: stops a run whose loss has become NaN or infinite, and says what to change."""

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

    The loss is checked every `interval` iterations and before each checkpoint; on a GPU each check waits for the
    device. The run ends if weights are not finite either, from which no run recovers, or at the third such loss in a
    row: mixed precision skips single iterations that overflow. (mmdet's `CheckInvalidLossHook` stops at the first such
    loss, and does not check before a checkpoint.)

    Args:
        interval: Iterations between two checks.

    Raises:
        FloatingPointError: The run has diverged; the message names the losses and the learning rate.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._losses: Mapping[str, Tensor] = {}
        self._iteration = self._in_a_row = self._counted = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Check if it is time to, or if the last check found something."""
        self._losses, self._iteration = outputs or {}, runner.iter + 1
        if self._in_a_row or self.every_n_train_iters(runner, self.interval):
            self._look(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check, so that a run can be resumed from every checkpoint."""
        self._look(runner, saves=True)

    def _distils(self) -> bool:
        return any(name.startswith('share_') for name in self._losses)

    def _look(self, runner: Runner, saves: bool = False) -> None:
        sound = is_finite(self._losses.get('loss', 0.0))
        # Several checkpoints may be saved after one iteration, whose loss counts once.
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
            "will not recover. Lower optim_wrapper.optimizer.lr (mmdet's are for 16 images per iteration; "
            '--auto-scale-lr adapts them to fewer), lengthen the warm-up, or clip gradients with '
            'optim_wrapper.clip_grad=dict(max_norm=35, norm_type=2)'
            + (', or lower the loss_weight of a term whose share_ in the log was near 1' if self._distils() else '')
            + '. This state has not been saved. With another learning rate or warm-up, start from the previous '
            'checkpoint with --cfg-options load_from=..., because --resume restores the saved ones; with clip_grad, '
            '--resume is enough.'
        )


def broken_weights(runner: Runner) -> bool:
    return not all(map(is_finite, runner.model.parameters()))


def is_finite(tensor: Tensor) -> bool:
    return bool(torch.as_tensor(tensor).isfinite().all())


def said(broken: Mapping[str, float]) -> str:
    """The losses by name; their total only if no part of it is broken."""
    parts = {name: value for name, value in broken.items() if name != 'loss'} or broken
    return ', '.join(f'{name} is {value}' for name, value in parts.items())
