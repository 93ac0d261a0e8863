"""InterruptHook: Ctrl-C ends a run with a checkpoint and the command that resumes it."""

import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch
from mmengine.dist import all_reduce, barrier, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch.utils.data._utils import signal_handling

from luminet_det.compat import elastic
from luminet_det.registry import HOOKS

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@HOOKS.register_module()
class InterruptHook(Hook):
    """On Ctrl-C, or SIGTERM as schedulers send it: finish the iteration, save, say how to resume, exit.

    The checkpoint is `<work_dir>/interrupted_iter_<n>.pth`, complete with optimizer and schedules, and becomes the one
    that `--resume` picks up; the resumed run removes it once it has saved a later one. It may be from the middle of an
    epoch; `ExactResumeHook`, which `tools/train.py` always adds, then continues within that epoch. The exit code is 128
    + signal, as a shell reports it. During validation the hook waits for its end, so that the score is not lost. A
    second signal exits at once. torchrun is told to stop as well, because a requested exit is not a failure after which
    to restart.

    Args:
        command: The command line that resumes the run. Default: this process's own, with `--resume`.
        interval: With several processes, iterations between two checks whether any of them was told to stop, rounded up
            to whole optimizer steps if gradients are accumulated: 10 become 16 with `accumulative_counts=8`. The grace
            period of a launcher, 30 s for torchrun, must be longer than that.
        patience: Seconds during which a second signal is taken for a copy of the first; launchers forward the
            terminal's signal to processes that have already received it.
    """

    # After the optimizer, the schedules and any checkpoint of this iteration.
    priority = 'LOWEST'

    def __init__(self, command: str | None = None, interval: int = 10, patience: float = 0.5) -> None:
        self.command = command or resume_command(sys.orig_argv)
        self.interval, self.patience = interval, patience
        self._process, self._training = os.getpid(), False
        self._signal, self._since = 0, 0.0
        self._resumed_from: Path | None = None
        self.trained = False  # whether this process has finished an iteration
        self._previous = {}
        # Set before loaders are built: the processes that they fork need the handler as well, or the terminal's Ctrl-C
        # would kill them before the iteration is finished.
        if threading.current_thread() is threading.main_thread():
            # A signal that is ignored, like Ctrl-C in a script's background jobs, stays ignored.
            heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._handle) for number in heeded}
            _shield_loaders()

    def before_train(self, runner: Runner) -> None:
        """From here on a signal waits for the end of the iteration; before that, it ends the program as usual."""
        self._training = True
        self._resumed_from = Path(runner.work_dir) / _name(runner.iter) if runner.iter else None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Stop if told to, unless the gradients of an accumulating step would be lost."""
        self.trained = True
        if get_world_size() > 1:
            accumulated = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
            if not self.every_n_train_iters(runner, math.ceil(self.interval / accumulated) * accumulated):
                return
        number = self._agreed()
        if number and (isinstance(runner.optim_wrapper, OptimWrapperDict) or runner.optim_wrapper.should_update()):
            self._stop(runner, number, runner.iter + 1)

    def after_val(self, runner: Runner) -> None:
        """Stop if told to during validation, once all hooks have its scores; the iteration before it is complete."""
        if self._training:
            self._tidy(runner)
        if self._training and (number := self._agreed()):
            self._stop(runner, number, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Restore the previous signal handlers."""
        self._release()
        self._tidy(runner)

    def _tidy(self, runner: Runner) -> None:
        """Remove the interruption's checkpoint that this run resumed from, once there is a later one."""
        pointer = Path(runner.work_dir) / 'last_checkpoint'
        if is_main_process() and self._resumed_from and pointer.is_file():
            last = Path(pointer.read_text().strip())
            if last.is_file() and last.name != self._resumed_from.name:
                self._resumed_from.unlink(missing_ok=True)

    def _release(self) -> None:
        self._training = False
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A process forked from this one ignores Ctrl-C: the main process still needs it, and ends it.
            if number == signal.SIGTERM:
                _by_default(number)
        elif not self._training:
            self._as_before(number, frame)
        elif not self._signal:
            self._signal, self._since = number, time.monotonic()
            if is_main_process():
                # Not `print`: the signal may have come in the middle of one.
                os.write(2, b'\nStopping after this iteration or validation; a second signal exits at once.\n')
        elif time.monotonic() - self._since > self.patience:
            os._exit(128 + number)

    def _as_before(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous.get(number)
        if callable(previous):
            previous(number, frame)
        else:
            _by_default(number)

    def _agreed(self) -> int:
        """The signal that any process was sent, or 0."""
        if get_world_size() == 1:
            return self._signal
        number = torch.tensor(self._signal)
        all_reduce(number, op='max')
        return int(number)

    def _stop(self, runner: Runner, number: int, iteration: int) -> NoReturn:
        name = _name(iteration)
        # Both of mmengine's runners save one more than this as the number of iterations done.
        runner.train_loop._iter = iteration - 1
        runner.save_checkpoint(runner.work_dir, name, by_epoch=False)
        if is_main_process():
            path = Path(runner.work_dir) / name
            (Path(runner.work_dir) / 'last_checkpoint').write_text(str(path))
            runner.logger.info(f'{signal.Signals(number).name}: saved {path}')
            print(
                f'Stopped after iteration {iteration} of {runner.max_iters}. Resume with:\n{self.command}', flush=True
            )
        self._tidy(runner)
        # A launcher ends the other processes as soon as one has exited.
        barrier()
        self._release()
        if os.environ.get('LOCAL_RANK', '0') == '0':
            elastic.end()
        raise SystemExit(128 + number)


def _name(iteration: int) -> str:
    return f'interrupted_iter_{iteration}.pth'


def resume_command(words: Sequence[str]) -> str:
    """The command line `words`, with a plain `--resume` in place of any other.

    >>> resume_command(['python', 'tools/train.py', 'my config.py', '--resume', 'a.pth', '--amp'])
    "python tools/train.py 'my config.py' --amp --resume"
    """
    kept, dropping = [], False
    for word in words:
        if dropping and not word.startswith('-'):
            dropping = False
            continue
        dropping = word == '--resume'
        if not dropping and not word.startswith('--resume='):
            kept.append(word)
    return shlex.join([*kept, '--resume'])


def _by_default(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _shield_loaders() -> None:
    """Have loader processes end only on SIGTERM from their parent, not on one that a scheduler sends to a whole job.

    With torch's handlers they die of either, and the main process with them, whatever it is doing.
    """
    original = signal_handling._set_worker_signal_handlers
    if hasattr(original, 'shielding') or not hasattr(signal, 'sigwaitinfo'):
        return

    def set_worker_signal_handlers() -> None:
        original()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_await_parent, daemon=True).start()

    set_worker_signal_handlers.shielding = True
    signal_handling._set_worker_signal_handlers = set_worker_signal_handlers


def _await_parent() -> None:
    # A signal handler cannot see who sent the signal; a thread that waits for it can.
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
