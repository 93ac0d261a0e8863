"""The command line of a study that trains all of its settings with the same seeds."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import product

from benchmarks.digits_study.queue import work_off
from benchmarks.study.setting import Setting


def main(program: str, text: str, settings: Iterable[Setting], seeds: Sequence[int]) -> None:
    """Train the runs that have no result yet.

    Args:
        program: Its name in messages.
        text: The text of `--help`.
        settings: What to train.
        seeds: Seeds of each, unless the command line names others.
    """
    parser = argparse.ArgumentParser(prog=program, description=text)
    parser.add_argument('--seeds', nargs='+', type=int, default=seeds)
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    work_off([(setting, seed) for seed, setting in product(args.seeds, settings)], args.jobs, args.dry_run)
