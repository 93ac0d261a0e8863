"""CIFAR-100: teachers, then every method and the plain student, over seeds; can be stopped and resumed at any time.

    python -m benchmarks.cifar100 short                         resnet20 <- resnet56, hours on a CPU
    python -m benchmarks.cifar100 full --minutes 9 --seeds 1    240 epochs; on a GPU, which --jobs 3 keeps busier

`short` trains the configs of configs/cifar100_short, `full` those of configs/cifar100. Finished runs are kept,
interrupted ones resume within their epoch. The output of a run goes to output.txt in its work dir. Its result.json and
the numbers of its log are copied to benchmarks/results/cifar100.
"""

import argparse
import json
import math
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmarks.study.deadline import stopped_at
from luminet_det import run_log
from luminet_det.sweep.jobs import INTERRUPTED, Job, python_script, work_off

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / 'benchmarks' / 'results' / 'cifar100'
PAIRS = {
    'short': ['resnet20-resnet56'],
    'full': ['resnet8x4-resnet32x4', 'wrn_16_2-wrn_40_2', 'vgg8-vgg13'],
}
FOLDERS = {'short': 'cifar100_short', 'full': 'cifar100'}
PLAIN = 'plain'
METHODS = (PLAIN, 'kd', 'dkd', 'luminet')  # the default; there are many more

LEAST = 20  # seconds that must be left to start a run: if it is stopped before its first step, it has saved nothing


class Run(NamedTuple):
    """A config to train with a seed, and where."""

    config: str
    method: str  # or 'teacher'
    seed: int
    work_dir: Path
    stem: str  # of its files in OUT


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog='benchmarks.cifar100', description=__doc__.splitlines()[0])
    parser.add_argument('protocol', choices=PAIRS)
    parser.add_argument('--pairs', nargs='+', help='student-teacher')
    parser.add_argument('--methods', nargs='+', default=METHODS, help="'plain', or what a config's name begins with")
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time; they share cores and GPU')
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after this long; resumes next time')
    parser.add_argument('--train-args', default='', help="for every run, e.g. '--amp --cfg-options model.compile=True'")
    args = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * args.minutes
    # All of them first: a wrong name must not show up only after hours of training a teacher.
    pairs = [planned(args.protocol, pair, args.methods, args.seeds) for pair in args.pairs or PAIRS[args.protocol]]
    for teacher, students in pairs:
        # Runs without a teacher need not wait for it.
        beside = [run for run in students if run.method == PLAIN][: args.jobs - 1]
        for runs in ([teacher, *beside], students):
            if not finish(runs, shlex.split(args.train_args), args.jobs, deadline):
                ended = 'The time is up' if time.monotonic() >= deadline - LEAST else 'Stopped'
                sys.exit(f'{ended}; run the same command again to continue.')


def planned(protocol: str, pair: str, methods: Sequence[str], seeds: int) -> tuple[Run, list[Run]]:
    """The teacher of a pair and its students, seed by seed."""

    def run(method: str, name: str, seed: int, folder: str) -> Run:
        work_dir = ROOT / 'work_dirs' / folder / name
        return Run(find(FOLDERS[protocol], name), method, seed, work_dir, f'{name}_{protocol}_seed{seed}')

    def student_run(method: str, seed: int) -> Run:
        return run(method, student if method == PLAIN else f'{method}_{pair}', seed, f'{FOLDERS[protocol]}/seed{seed}')

    student, teacher = pair.split('-')
    # The students' configs look for their teacher's weights here.
    taught_by = run('teacher', teacher, 0, '' if protocol == 'full' else FOLDERS['short'])
    return taught_by, [student_run(method, seed) for seed, method in product(range(seeds), methods)]


def finish(runs: Sequence[Run], train_args: list[str], at_once: int, deadline: float) -> bool:
    """Train the runs that are not finished, and copy each result; False if the time was up before all were done.

    Args:
        runs: What to train.
        train_args: Arguments for tools/train.py.
        at_once: How many train at a time.
        deadline: By `time.monotonic()`.

    Raises:
        SystemExit: A training failed, or the run to resume was begun with other arguments.
    """
    jobs, failed = {}, []
    for run in runs:
        if (run.work_dir / 'result.json').is_file():
            keep(run)
        else:
            claim(run.work_dir, train_args)
            jobs[run.stem] = run
    if not jobs:
        return True
    if deadline - time.monotonic() < LEAST:
        return False

    def ended(job: Job, code: int) -> None:
        run = jobs[job.name]
        if code == 0 and (run.work_dir / 'result.json').is_file():
            keep(run)
        elif code == 0:
            failed.append(f'{run.config} ended without a result.json in {run.work_dir}')
        elif code not in INTERRUPTED:
            failed.append(f'{run.config} ended with exit code {code}: {job.log}')

    with stopped_at(deadline):
        stopped = work_off([training(run, train_args) for run in jobs.values()], ended, at_once)
    if failed:
        sys.exit('\n'.join(failed))
    return not stopped


def keep(run: Run) -> None:
    """Copy the result of a finished run, and the numbers of its log if they are there."""
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copy(run.work_dir / 'result.json', OUT / f'{run.stem}.json')
    if lines := [f'{json.dumps(entry)}\n' for entry in run_log.entries(run.work_dir)]:
        (OUT / f'{run.stem}.jsonl').write_text(''.join(lines))


def claim(work_dir: Path, train_args: list[str]) -> None:
    """Record with which arguments a run was begun, and refuse others: its result would name only the last ones."""
    record = work_dir / 'train_args.json'
    if record.is_file() and (begun := json.loads(record.read_text())) != train_args:
        sys.exit(
            f'{work_dir} has a run begun with --train-args {shlex.join(begun)!r}; continue with these, or move it away.'
        )
    work_dir.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(train_args))


def training(run: Run, train_args: list[str]) -> Job:
    """The job that trains a run, or resumes it where it was stopped."""
    command = [*python_script(ROOT / 'tools' / 'train.py'), run.config, '--resume', '--seed', str(run.seed)]
    command += ['--work-dir', str(run.work_dir.relative_to(ROOT)), *train_args]
    return Job(run.stem, command, run.work_dir / 'output.txt', ROOT)


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
