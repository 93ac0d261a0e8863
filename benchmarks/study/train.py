"""tools/train.py for a study: on one core, with its output in a file, and reading what it has logged."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Lock

from benchmarks.study.setting import REPOSITORY
from luminet_det import run_log

LOGGED = ('loss', 'grad_norm', 'raw_', 'share_', 'gradient_share_', 'agreement', 'step')
ONE_AT_A_TIME = Lock()  # neither reading a config nor redirecting standard output is made for threads


def train(config: Path, folder: Path, seed: int, *options: str) -> None:
    """Train a config in a folder, resuming from the last checkpoint there; the benchmarks' modules can be imported.

    Raises:
        CalledProcessError: The training failed; `output.txt` in the folder says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, 'tools/train.py', str(config), '--work-dir', str(folder), *options]
    command += ['--seed', str(seed), '--resume', 'auto']
    # A single thread adds in a fixed order: the scores are the same on any number of cores.
    environment = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(REPOSITORY)}
    with (folder / 'output.txt').open('a') as output:
        subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)


def curve(folder: Path) -> list[dict[str, float]]:
    """The log by step: losses and gradient norm as means since the line before, all else as of that step."""
    return [
        {key: round(value, 5) for key, value in entry.items() if key.startswith(LOGGED)}
        for entry in run_log.entries(folder)
        if 'loss' in entry
    ]
