"""Training with several processes, forked rather than started anew, which would take longer than the steps."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from tests import runs

TORCHRUN = ['RANK', 'LOCAL_RANK', 'WORLD_SIZE']
SLURM = ['SLURM_PROCID', 'SLURM_LOCALID', 'SLURM_NTASKS']


@HOOKS.register_module()
class LossHook(Hook):
    """Kill a process before an iteration, as the kernel's out-of-memory killer does.

    Args:
        iteration: The iteration, counted from 0.
        note: File that counts how often a process was lost.
        rank: Which process.
        times: In how many of the starts that get this far.
        error: Message of an error to raise instead of killing the process.
    """

    def __init__(self, iteration: int, note: str, rank: int = 1, times: int = 1, error: str | None = None) -> None:
        self.iteration, self.rank, self.times, self.note, self.error = iteration, rank, times, Path(note), error

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if (runner.iter, get_rank()) != (self.iteration, self.rank):
            return
        lost = len(self.note.read_text()) if self.note.exists() else 0
        if lost < self.times:
            self.note.write_text('x' * (lost + 1))
            if self.error:
                raise ValueError(self.error)
            os.kill(os.getpid(), signal.SIGKILL)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


def run(
    main: Callable, argv: Sequence, folder: Path, world: int = 2, names: Sequence[str] = TORCHRUN
) -> list[runs.Finished]:
    """Call `main(argv)` in `world` processes, which find each other by the environment variables `names`."""
    meeting = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(), OMP_NUM_THREADS='1')
    started = []
    for rank in range(world):
        place = dict(zip(names, map(str, (rank, rank, world)), strict=True))
        started.append(runs.start(main, argv, folder, **meeting, **place))
    late = time.monotonic() + runs.TIMEOUT
    try:
        for child, _ in started:
            child.join(max(0.0, late - time.monotonic()))
    finally:
        for child, _ in started:
            child.kill()
    return [runs.Finished(child.exitcode, output.read_text()) for child, output in started]


@HOOKS.register_module()
class NoteHook(Hook):
    """Write after each iteration what each process has: losses, and the sizes of its parts of student and teachers.

    Args:
        folder: Where to write one file per process.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        student = runner.model.module if is_model_wrapper(runner.model) else runner.model
        note = dict(
            losses={name: float(value) for name, value in outputs.items()},
            student=sum(p.numel() for p in student.parameters()),
            teacher=[
                sum(p.numel() for p in teacher.model.parameters()) for teacher in getattr(student, 'teachers', ())
            ],
        )
        with open(self.folder / f'rank{get_rank()}.jsonl', 'a') as file:
            file.write(json.dumps(note) + '\n')


def notes(folder: Path, rank: int) -> list[dict]:
    """What `NoteHook` has written for a process, one entry per iteration."""
    return [json.loads(line) for line in (Path(folder) / f'rank{rank}.jsonl').read_text().splitlines()]
