"""Training and testing with the tools, each run in its own process, which is forked unless the tests use a GPU."""

import functools
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from tests import GPU_ASKED, tiny

# Done once here instead of in every child process.
register_all_modules(init_default_scope=False)

TOOLS = Path(__file__).parents[1] / 'tools'
TIMEOUT = 180
# A process that is forked from one that has used a GPU cannot use it.
START = 'spawn' if GPU_ASKED else 'fork'


@dataclass
class Finished:
    """A finished run: its exit code (negative: killed by that signal) and all that it printed."""

    code: int
    text: str

    @property
    def last_line(self) -> str:
        return self.text.rstrip().rpartition('\n')[-1]


@HOOKS.register_module()
class SignalHook(Hook):
    """Send this process a signal before an iteration of training or validation, unless the run has been resumed.

    Args:
        number: The signal.
        iteration: The iteration, counted from 0.
        val: Whether it is an iteration of validation.
        times: How many signals are sent, 10 ms apart.
        rank: In which of several processes.
        group: Send it to the whole process group from another process, as terminals and schedulers do.
    """

    def __init__(
        self, number: int, iteration: int, val: bool = False, times: int = 1, rank: int = 0, group: bool = False
    ) -> None:
        self.number, self.iteration, self.val, self.times, self.rank = number, iteration, val, times, rank
        self.group = group

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._send(runner, runner.iter, val=False)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._send(runner, batch_idx, val=True)

    def _send(self, runner: Runner, iteration: int, val: bool) -> None:
        if (iteration, val, get_rank(), runner._resume) == (self.iteration, self.val, self.rank, False):
            for _ in range(self.times):
                if self.group:
                    subprocess.run(['kill', f'-{self.number}', '--', f'-{os.getpgrp()}'], check=False)
                else:
                    os.kill(os.getpid(), self.number)
                time.sleep(0.01)


def run(main: Callable, argv: Sequence[str], folder: Path, **environ: str) -> Finished:
    """Call `main(argv)` in another process, in `folder`: mmengine keeps too much global state for two runs in one."""
    child, output = start(main, argv, folder, **environ)
    late = time.monotonic() + TIMEOUT
    try:
        # Not `join` with a timeout, which after a SIGKILL would wait for the orphaned loader processes as well.
        while child.exitcode is None:
            if time.monotonic() > late:
                raise TimeoutError(f'still running after {TIMEOUT} s:\n{output.read_text()}')
            time.sleep(0.01)
    finally:
        if child.exitcode is None:
            child.kill()
    return Finished(child.exitcode, output.read_text())


def start(main: Callable, argv: Sequence[str], folder: Path, **environ: str) -> tuple[multiprocessing.Process, Path]:
    """Like `run`, without waiting; returns the process and the file that it prints to."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f'output_{len(list(folder.glob("output_*")))}.txt'
    output.touch()
    words = [str(word) for word in argv]
    child = multiprocessing.get_context(START).Process(target=_child, args=(main, words, folder, output, environ))
    child.start()
    return child, output


def _child(main: Callable, argv: list[str], folder: Path, output: Path, environ: dict) -> None:
    os.setsid()
    file = os.open(output, os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, 'w', buffering=1, closefd=False) for number in (1, 2))
    os.environ.update(environ)
    os.chdir(folder)
    # In tests that run in the background of a script, Ctrl-C is ignored, and the child would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Otherwise mmengine's garbage collection and formatting of saved configs would take two thirds of so short a run.
    gc.freeze()
    Config.fromfile = functools.partial(Config.fromfile, format_python_code=False)
    main(argv)


def config_file(path: Path, cfg: Config) -> Path:
    """Write a config to a file that the tools can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(path)
    return path


def tiny_config(path: Path, data: Path, model: dict | None = None, **settings) -> Path:
    """Write the config of a tiny run without a work dir, so that the tools choose it."""
    cfg = tiny.runner_cfg(model or tiny.faster_rcnn(), data, 'unused', **settings)
    cfg.pop('work_dir')
    return config_file(path, cfg)


def scalars(work_dir: Path, name: str = 'loss') -> dict[int, float]:
    """The values logged under `name`, by iteration; the later value if an iteration was trained twice."""
    found = {}
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if name in entry and 'step' in entry:
                found[entry['step']] = entry[name]
    return found
