"""SlicedRun: a run of tools/train.py that trains a given number of steps per call."""

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, Runner

from tools import train


@LOOPS.register_module()
class SlicedTrainLoop(EpochBasedTrainLoop):
    """mmengine's loop, but it returns control after each step, and does not validate."""

    def run(self) -> torch.nn.Module:
        """Get ready; `steps` trains."""
        self.runner.call_hook('before_train')
        self.steps = self._steps()
        return self.runner.model

    def _steps(self) -> Iterator[None]:
        while True:
            self.runner.call_hook('before_train_epoch')
            self.runner.model.train()
            for index, batch in enumerate(self.dataloader):
                self.run_iter(index, batch)
                yield
            self.runner.call_hook('after_train_epoch')
            self._epoch += 1


class SlicedRun:
    """Everything that `tools/train.py CONFIG` does in a training epoch, hooks and log included, in slices.

    The teacher is not evaluated first, as it is untrained here.

    Args:
        config: Path of the config.
        work_dir: Its log goes there.
        options: Changes to the config, dotted.
        flags: Words of tools/train.py's command line.
    """

    def __init__(self, config: Path, work_dir: Path, options: dict | None = None, flags: Sequence[str] = ()) -> None:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        cfg = train.configure(train.parser().parse_args([str(config), '--work-dir', str(work_dir), *flags]))
        cfg.merge_from_dict(options or {})
        cfg.custom_hooks = [hook for hook in cfg.custom_hooks if 'TeacherEvaluation' not in hook['type']]
        cfg.train_cfg = dict(type='SlicedTrainLoop', max_epochs=cfg.train_cfg.max_epochs)
        cfg.experiment_name = work_dir.name
        self.runner = Runner.from_cfg(cfg)
        self.runner.train()
        self.model, self.optim_wrapper = self.runner.model, self.runner.optim_wrapper
        # Each run installs its own handler for Ctrl-C; here it ends the benchmark.
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def run(self, steps: int) -> None:
        """Train for some steps."""
        for _ in range(steps):
            next(self.runner.train_loop.steps)

    def batches(self, count: int) -> list[dict]:
        """The first batches of its loader."""
        batches = iter(self.runner.train_dataloader)
        return [next(batches) for _ in range(count)]

    def step(self, batch: dict) -> None:
        """Only the step, without loader and hooks."""
        self.model.train_step(batch, self.optim_wrapper)
