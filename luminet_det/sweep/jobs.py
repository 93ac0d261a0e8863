"""Runs trainings, several at a time, each in its own process; passes signals on, so that they save before they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)
PAUSE = 0.05  # seconds between two looks at the processes


@dataclass
class Job:
    """A command and the file for its output.

    Args:
        name: What to call it.
        command: The command and its arguments.
        log: The file, to which output is appended.
        folder: Its working directory; default: the current one.
    """

    name: str
    command: list[str]
    log: Path
    folder: Path | None = None


def work_off(
    jobs: Sequence[Job],
    ended: Callable[[Job, int], None],
    at_once: int = 1,
    gpus: Sequence[str] = (),
) -> int:
    """Run all jobs.

    On SIGINT and SIGTERM, the running jobs get the same signal and are waited for, and no further jobs are started.

    Args:
        jobs: In the order in which they begin.
        ended: Called with each job and its exit code as it ends.
        at_once: How many run at a time.
        gpus: Values of `CUDA_VISIBLE_DEVICES`, shared out among the `at_once` jobs.

    Returns:
        The signal that ended the work, or 0.
    """
    waiting, running = list(jobs), {}
    told: list[int] = []  # the signals that came
    passed: dict[int, int] = {}  # process id -> how many of them it got

    def handle(number: int, frame: FrameType | None) -> None:
        told.append(number)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while running or (waiting and not told):
            for place in range(at_once):
                if place not in running and waiting and not told:
                    job = waiting.pop(0)
                    gpu = gpus[place % len(gpus)] if gpus else None
                    running[place] = job, _start(job, gpu, at_once)
            for place, (job, process) in list(running.items()):
                if (code := process.poll()) is not None:
                    del running[place]
                    ended(job, code)
                elif passed.get(process.pid, 0) < len(told):
                    passed[process.pid] = len(told)
                    process.send_signal(told[-1])
            time.sleep(PAUSE)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return told[0] if told else 0


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return '\n'.join(log.read_text(errors='replace').splitlines()[-lines:])


def _start(job: Job, gpu: str | None, at_once: int) -> subprocess.Popen:
    environ = dict(os.environ)
    if gpu is not None:
        environ['CUDA_VISIBLE_DEVICES'] = gpu
    if at_once > 1:
        # Each would take all cores and wait for the others.
        environ.setdefault('OMP_NUM_THREADS', str(max(1, (os.cpu_count() or 1) // at_once)))
    with job.log.open('a') as log:
        return subprocess.Popen(
            job.command,
            cwd=job.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )


def python_script(path: Path) -> list[str]:
    """The command that runs a script with this Python."""
    return [sys.executable, str(path)]
