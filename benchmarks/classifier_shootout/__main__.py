"""Train every classification method: benchmarks/results/classifier_shootout has a file for each run.

    python -m benchmarks.classifier_shootout --search              # three weights of each method, seed 0
    python -m benchmarks.classifier_shootout --seeds 0 1 2         # then the best of each, on these seeds

Three to eight minutes a run on a core, and half an hour for the teacher if there is none yet. What is done is not done
again; what was cut short resumes.
"""

import argparse

from benchmarks.classifier_shootout.run import finish
from benchmarks.classifier_shootout.settings import PLAIN, Setting, Teacher, methods, tries
from benchmarks.study import queue
from benchmarks.study.found import best_of


def main() -> None:
    parser = argparse.ArgumentParser(prog='classifier_shootout', description=__doc__.splitlines()[0])
    parser.add_argument('--search', action='store_true', help='train the tries of each method instead of its best')
    parser.add_argument('--only', nargs='+', choices=methods(), default=methods())
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    if args.search:
        settings, seeds = [setting for name in args.only for setting in tries(name)], [0]
    else:
        best = [best_of(tries(name)) for name in args.only]
        if None in best:
            parser.error(f'no try of {args.only[best.index(None)]} has run; begin with --search')
        settings, seeds = [Setting(PLAIN), *best], args.seeds
    missing = queue.missing((setting, seed) for seed in seeds for setting in settings)
    if args.dry_run:
        print(queue.listed(missing))
        return
    finish(Teacher(), 0)
    queue.work_off(missing, finish, args.jobs)


if __name__ == '__main__':
    main()
