"""Train every detector method on the digits: benchmarks/results/method_shootout has a file for each run.

    python -m benchmarks.method_shootout --search                  # the weights of each method, seed 0
    python -m benchmarks.method_shootout --seeds 1 2 3             # then the best of each, on other seeds

Two to four minutes a run. What is done is not done again; what was cut short resumes.
"""

import argparse

from benchmarks.digits_study.queue import work_off
from benchmarks.method_shootout.settings import PLAIN, Setting, alone, methods
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.study.found import SEARCHED, forget


def main() -> None:
    parser = argparse.ArgumentParser(prog='method_shootout', description=__doc__.splitlines()[0])
    parser.add_argument('--search', action='store_true', help='train the tries of each method instead of its best')
    parser.add_argument('--only', nargs='+', choices=methods(), default=methods())
    parser.add_argument('--seeds', nargs='+', type=int, default=[1, 2, 3])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    while args.search:
        wanted = [(setting, SEARCHED) for name in args.only for setting in DETECTORS.searched(name)[1]]
        work_off(wanted, args.jobs, args.dry_run)
        if args.dry_run or not wanted:
            return
        forget()
    best = [DETECTORS.best(name) for name in args.only]
    if None in best:
        parser.error(f'no try of {args.only[best.index(None)]} has run; begin with --search')
    settings = dict.fromkeys([Setting(PLAIN), *map(alone, args.only), *best])
    work_off(((setting, seed) for seed in args.seeds for setting in settings), args.jobs, args.dry_run)


if __name__ == '__main__':
    main()
