"""The command line of a shoot-out."""

import argparse
from collections.abc import Callable

from benchmarks.study.found import SEARCHED, forget
from benchmarks.study.queue import Run
from benchmarks.study.shootout import Shootout


def main(shootout: Shootout, program: str, text: str, work_off: Callable[[list[Run], int, bool], None]) -> None:
    """Search the methods' weights, or train the best of each.

    Args:
        shootout: What is compared.
        program: Its name in messages.
        text: The text of `--help`.
        work_off: Trains the runs that have no result yet, several at a time; with True it only lists them.
    """
    names = list(shootout.titles)
    parser = argparse.ArgumentParser(prog=program, description=text)
    parser.add_argument('--search', action='store_true', help='train the tries of each method instead of the best one')
    parser.add_argument('--only', nargs='+', choices=names, default=names)
    parser.add_argument('--seeds', nargs='+', type=int, default=[1, 2, 3])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    while args.search:
        wanted = [(setting, SEARCHED) for name in args.only for setting in shootout.searched(name)[1]]
        work_off(wanted, args.jobs, args.dry_run)
        if args.dry_run or not wanted:
            return
        forget()
    best = [shootout.best(name) for name in args.only]
    if None in best:
        parser.error(f'no try of {args.only[best.index(None)]} has run; begin with --search')
    # Several methods share the same student alone.
    settings = dict.fromkeys([*map(shootout.alone, args.only), *best])
    work_off([(setting, seed) for seed in args.seeds for setting in settings], args.jobs, args.dry_run)
