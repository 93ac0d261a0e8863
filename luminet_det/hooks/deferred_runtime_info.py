"""DeferredRuntimeInfoHook: reads what is logged from the device only when a log line needs it, not in every step."""

from typing import Any

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from luminet_det.registry import HOOKS


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's RuntimeInfoHook without a wait for the GPU in every step.

    mmengine calls `.item()` on every loss in every step, and each call waits until the device has caught up. Here the
    losses of `interval` steps are kept on the device and read with one copy. The message hub then holds the same
    numbers in the same order; between two readings it lags behind by up to `interval` steps.

    Args:
        interval: Steps between two readings; by default the LoggerHook's interval. The losses are also read at the end
            of an epoch and before every checkpoint.
        history: How many values the message hub keeps of each scalar. mmengine keeps a million and copies them all in
            every step: halfway through 240 epochs of CIFAR-100, this is half of the Runner's overhead. LogProcessor
            windows longer than this are cut.
    """

    def __init__(self, interval: int | None = None, history: int = 1000) -> None:
        super().__init__()
        self.interval = interval
        self.history = history
        self._kept: list[dict[str, Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Take over the interval at which the log is written."""
        super().before_train(runner)
        if self.interval is None:
            self.interval = next((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Keep the step's losses; every `interval` steps, read all that were kept."""
        if outputs:
            # mmengine's mean losses are separate tensors, which stay valid when a CUDA graph overwrites the losses.
            self._kept.append({k: v.detach() if isinstance(v, Tensor) else v for k, v in outputs.items()})
        if self._due(runner, batch_idx) or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self.read(runner)

    def _due(self, runner: Runner, batch_idx: int) -> bool:
        # The LoggerHook counts steps within an epoch, or over the whole run if training is iteration-based.
        return self.every_n_inner_iters(batch_idx, self.interval) or self.every_n_train_iters(runner, self.interval)

    def after_train(self, runner: Runner) -> None:
        """Read what is left."""
        self.read(runner)
        super().after_train(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """A checkpoint holds the message hub, which must not lack the last steps."""
        if self._kept:
            self.read(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def read(self, runner: Runner) -> None:
        """Hand what was kept to the message hub."""
        kept, self._kept = self._kept, []
        tensors = [value for step in kept for value in step.values() if isinstance(value, Tensor)]
        values = iter(torch.stack([t.float().reshape(()) for t in tensors]).tolist() if tensors else ())
        for step in kept:
            for key, value in step.items():
                runner.message_hub.update_scalar(f'train/{key}', next(values) if isinstance(value, Tensor) else value)
        for buffer in runner.message_hub.log_scalars.values():
            buffer.max_length = min(buffer.max_length, self.history)
