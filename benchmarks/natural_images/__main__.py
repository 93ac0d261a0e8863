"""Photographs: a teacher, then every method beside the plain student, over seeds; stops and resumes as you like.

    python -m benchmarks.natural_images --amp --minutes 8.5                        72 epochs from scratch; on a GPU
    python -m benchmarks.natural_images --amp --minutes 8.5 --epochs 12 --jobs 4   a first answer
    python -m benchmarks.natural_images --rehearse                                 thin nets, 16 images; on a CPU

Trains the configs of configs/voc07_small. A run that is done is kept, one that was cut short goes on within its epoch.
Each leaves a JSON file in benchmarks/results/natural_images, one of a rehearsal in work_dirs/natural_images/rehearsal.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from benchmarks.natural_images.run import finish
from benchmarks.natural_images.study import EPOCHS, METHODS, PLAIN, REHEARSED, ROOT, TEACHER, Study


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog='benchmarks.natural_images', description=__doc__.splitlines()[0])
    parser.add_argument('--methods', nargs='+', default=METHODS, choices=METHODS)
    parser.add_argument('--seeds', type=int, default=1, help='of every student; all have the teacher of seed 0')
    parser.add_argument('--epochs', type=int, help=f"instead of the configs' {EPOCHS}; the cosine ends with them")
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, on the same GPU')
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after this long; resumes next time')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--data-root', type=Path, default=ROOT / 'data' / 'voc07_small')
    parser.add_argument('--rehearse', action='store_true', help=f'thin nets, 16 images, {REHEARSED} epochs')
    parser.add_argument('--cfg-options', nargs='+', default=(), metavar='KEY=VALUE', help='for every run')
    args = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * args.minutes
    if not (args.data_root / 'train.json').is_file():
        parser.error(f'{args.data_root} has no train.json; put the data there, or give --data-root')
    epochs = args.epochs or (REHEARSED if args.rehearse else EPOCHS)
    study = Study(args.data_root.resolve(), epochs, args.amp, tuple(args.cfg_options), args.rehearse)
    # Who has no teacher need not wait for it.
    alone = [(TEACHER, 0), *((PLAIN, seed) for seed in range(args.seeds) if PLAIN in args.methods)]
    taught = [(method, seed) for seed, method in product(range(args.seeds), args.methods) if method != PLAIN]
    if not (work_off(study, alone, args.jobs, deadline) and work_off(study, taught, args.jobs, deadline)):
        sys.exit('The time is up; the same command goes on from here.')


def work_off(study: Study, runs: Iterable[tuple[str, int]], jobs: int, deadline: float) -> bool:
    """Finish runs, some at a time; False if the time was up before."""
    with ThreadPoolExecutor(jobs) as pool:
        return all([*pool.map(lambda run: finish(study, *run, deadline), runs)])


if __name__ == '__main__':
    main()
