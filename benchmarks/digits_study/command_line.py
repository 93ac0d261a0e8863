"""The command line of a study that asks all of its settings over the same seeds."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import product

from benchmarks.digits_study.queue import work_off
from benchmarks.study.setting import Setting


def main(program: str, text: str, settings: Iterable[Setting], seeds: Sequence[int]) -> None:
    """Train what has no result yet.

    Args:
        program: Its name in messages.
        text: What `--help` says.
        settings: What is asked.
        seeds: Of each, unless the command line names others.
    """
    parser = argparse.ArgumentParser(prog=program, description=text)
    parser.add_argument('--seeds', nargs='+', type=int, default=seeds)
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    work_off([(setting, seed) for seed, setting in product(args.seeds, settings)], args.jobs, args.dry_run)
