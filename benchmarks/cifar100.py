"""CIFAR-100: teachers, then every method beside the plain student, over seeds; stops and resumes as you like.

    python -m benchmarks.cifar100 short                         resnet20 <- resnet56, hours on a CPU
    python -m benchmarks.cifar100 full --minutes 9 --seeds 1    resnet8x4 <- resnet32x4, 240 epochs; on a GPU

`short` trains the configs of configs/cifar100_short, `full` those of configs/cifar100. A run that is done is kept, one
that was cut short resumes within its epoch. Each leaves its result.json, and the numbers behind its log, in
benchmarks/results/cifar100.
"""

import argparse
import json
import math
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from luminet_det import run_log

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / 'benchmarks' / 'results' / 'cifar100'
PAIRS = {
    'short': ['resnet20-resnet56'],
    'full': ['resnet8x4-resnet32x4', 'wrn_16_2-wrn_40_2', 'vgg8-vgg13'],
}
FOLDERS = {'short': 'cifar100_short', 'full': 'cifar100'}
METHODS = ('plain', 'kd', 'dkd', 'luminet')  # of the many there are

SAVING = 25  # seconds that a run has to save in when the time is up; a validation may take longer
LEAST = 20  # seconds left for which a run is started: what is stopped before its first step has saved nothing
STOPPED = (128 + signal.SIGTERM, -signal.SIGTERM, -signal.SIGKILL)


class Run(NamedTuple):
    """A config to train with a seed, and where."""

    config: str
    seed: int
    work_dir: Path
    stem: str  # of its files in OUT


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog='benchmarks.cifar100', description=__doc__.splitlines()[0])
    parser.add_argument('protocol', choices=PAIRS)
    parser.add_argument('--pairs', nargs='+', help='student-teacher')
    parser.add_argument('--methods', nargs='+', default=METHODS, help="'plain', or what a config's name begins with")
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after this long; resumes next time')
    parser.add_argument('--train-args', default='', help="for every run, e.g. '--amp --cfg-options model.compile=True'")
    args = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * args.minutes
    # All of them at once: a wrong name must not come to light after a teacher's hours.
    runs = [*planned(args.protocol, args.pairs or PAIRS[args.protocol], args.methods, args.seeds)]
    if not all(finish(run, shlex.split(args.train_args), deadline) for run in runs):
        sys.exit('The time is up; the same command goes on from here.')


def planned(protocol: str, pairs: list[str], methods: list[str], seeds: int) -> Iterator[Run]:
    """Of each pair the teacher, then its students."""

    def run(name: str, seed: int, folder: str) -> Run:
        work_dir = ROOT / 'work_dirs' / folder / name
        return Run(find(FOLDERS[protocol], name), seed, work_dir, f'{name}_{protocol}_seed{seed}')

    for pair in pairs:
        student, teacher = pair.split('-')
        # The students' configs look for their teacher's weights here.
        yield run(teacher, 0, '' if protocol == 'full' else FOLDERS['short'])
        for seed, method in product(range(seeds), methods):
            yield run(student if method == 'plain' else f'{method}_{pair}', seed, f'{FOLDERS[protocol]}/seed{seed}')


def finish(run: Run, train_args: list[str], deadline: float) -> bool:
    """Train to the end and copy the result, unless that was done; False if the time was up before.

    Args:
        run: What to train.
        train_args: Words for tools/train.py.
        deadline: By `time.monotonic()`.

    Raises:
        SystemExit: The training failed, or what it would resume was begun with other words.
    """
    result = run.work_dir / 'result.json'
    if not result.is_file():
        if deadline - time.monotonic() < LEAST:
            return False
        claim(run.work_dir, train_args)
        code = train(run, train_args, deadline)
        stopped = code in STOPPED and time.monotonic() >= deadline
        if code and not stopped:
            sys.exit(f'{run.config} ended with exit code {code}')
        if not result.is_file():
            if stopped:
                return False
            sys.exit(f'{run.config} ended without a result.json in {run.work_dir}')
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copy(result, OUT / f'{run.stem}.json')
    lines = [f'{json.dumps(entry)}\n' for entry in run_log.entries(run.work_dir)]
    (OUT / f'{run.stem}.jsonl').write_text(''.join(lines))
    return True


def claim(work_dir: Path, train_args: list[str]) -> None:
    """Note with which words a run was begun; refuse others, for its result would tell of the last ones only."""
    record = work_dir / 'train_args.json'
    if record.is_file() and (begun := json.loads(record.read_text())) != train_args:
        sys.exit(
            f'{work_dir} holds a run begun with --train-args {shlex.join(begun)!r}; go on with that, or move it away.'
        )
    work_dir.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(train_args))


def train(run: Run, train_args: list[str], deadline: float) -> int:
    """Run tools/train.py to its end, or have it save and stop when the time is up; its exit code."""
    command = [sys.executable, 'tools/train.py', run.config, '--resume', '--seed', str(run.seed)]
    command += ['--work-dir', str(run.work_dir.relative_to(ROOT)), *train_args]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        return process.wait(None if deadline == math.inf else max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        # As a scheduler does it: the run saves, and resumes within its epoch.
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(SAVING)
    except subprocess.TimeoutExpired:
        # The next one goes on from its last checkpoint.
        process.kill()
        return process.wait()


def find(folder: str, name: str) -> str:
    """The config of this name, in the folder or in one below it.

    Raises:
        SystemExit: There is none.
    """
    found = sorted((ROOT / 'configs' / folder).rglob(f'{name}.py'))
    if not found:
        sys.exit(f'There is no config {name}.py in configs/{folder}; correct --methods or --pairs.')
    return str(found[0].relative_to(ROOT))


if __name__ == '__main__':
    main()
