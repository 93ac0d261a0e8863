"""Train what the studies conclude first once more: benchmarks/results/replication has a file for each run.

    python -m benchmarks.replication --jobs 2

Two to three minutes a run. What is done is not done again; what was cut short resumes.
"""

import argparse
from itertools import product

from benchmarks.digits_study.queue import work_off
from benchmarks.replication.settings import asked

SEEDS = (6, 7, 8, 9, 10)


def main() -> None:
    parser = argparse.ArgumentParser(prog='replication', description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', nargs='+', type=int, default=SEEDS)
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    work_off([(setting, seed) for seed, setting in product(args.seeds, asked().values())], args.jobs, args.dry_run)


if __name__ == '__main__':
    main()
