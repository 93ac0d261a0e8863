"""Train every classification method: benchmarks/results/classifier_shootout has a file for each run.

    python -m benchmarks.classifier_shootout --search              # the weights of each method, seed 0
    python -m benchmarks.classifier_shootout --seeds 1 2 3         # then the best of each, on other seeds

Three to eight minutes a run on a core, and half an hour for the teacher if there is none yet. What is done is not done
again; what was cut short resumes.
"""

import argparse

from benchmarks.classifier_shootout.run import finish
from benchmarks.classifier_shootout.settings import ASSISTANT, CHAIN, PLAIN, Setting, Teacher, methods
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.study import queue
from benchmarks.study.found import SEARCHED, forget


def main() -> None:
    parser = argparse.ArgumentParser(prog='classifier_shootout', description=__doc__.splitlines()[0])
    parser.add_argument('--search', action='store_true', help='train the tries of each method instead of its best')
    parser.add_argument('--only', nargs='+', choices=methods(), default=methods())
    parser.add_argument('--seeds', nargs='+', type=int, default=[1, 2, 3])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    while args.search:
        wanted = [(setting, SEARCHED) for name in args.only for setting in CLASSIFIERS.searched(name)[1]]
        work_off(wanted, args.jobs, args.dry_run)
        if args.dry_run or not wanted:
            return
        forget()
    best = [CLASSIFIERS.best(name) for name in args.only]
    if None in best:
        parser.error(f'no try of {args.only[best.index(None)]} has run; begin with --search')
    work_off([(setting, seed) for seed in args.seeds for setting in (Setting(PLAIN), *best)], args.jobs, args.dry_run)


def work_off(wanted: list[queue.Run], jobs: int, dry: bool) -> None:
    missing = queue.missing(wanted)
    if dry:
        print(queue.listed(missing))
        return
    # Before the students, several of which would begin with it.
    finish(Teacher(), 0)
    if any(setting.method == CHAIN for setting, _ in missing):
        finish(Setting(ASSISTANT), 0)
    queue.work_off(missing, finish, jobs)


if __name__ == '__main__':
    main()
