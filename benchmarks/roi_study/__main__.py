"""Train what the study compares: benchmarks/results/roi_study has a file for each run, made if it is missing.

    python -m benchmarks.roi_study --questions rows eps --seeds 0 1 --jobs 2
    python -m benchmarks.roi_study --claims --seeds 0 1 2 3 4
    python -m benchmarks.roi_study --chosen --seeds 1 2 3 4 5

About two minutes per run. Finished runs are not repeated, and interrupted ones resume. `--chosen` trains the setting of
each method that `--questions methods` has found best; that search continues beyond the range if its largest or smallest
weight is best. Seeds other than 0 may have their own teacher, `--teacher 1`, the same for all that are compared.
"""

import argparse
from dataclasses import replace
from itertools import product

from benchmarks.digits_study.queue import work_off
from benchmarks.roi_study.settings import BASE, CLAIMS, LOSSES, PLAIN, QUESTIONS, searched
from benchmarks.study.found import SEARCHED, best_of, forget


def main() -> None:
    parser = argparse.ArgumentParser(prog='roi_study', description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--questions', nargs='+', choices=QUESTIONS, default=list(QUESTIONS))
    which.add_argument('--settings', nargs='+', help='only these, by their names')
    which.add_argument(
        '--chosen', action='store_true', help="the student alone, each method's best, and LumiNet at tau 1"
    )
    which.add_argument('--claims', action='store_true', help='the runs on which a claim of docs/roi_study.md rests')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--teacher', type=int, default=SEARCHED, help="the teacher's seed; one per block of seeds")
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    settings = list(dict.fromkeys(setting for question in args.questions for setting in QUESTIONS[question]))
    if args.settings:
        known = {setting.name: setting for setting in settings}
        if unknown := set(args.settings) - known.keys():
            parser.error(f'no setting {", ".join(sorted(unknown))}; --dry-run lists them')
        settings = [known[name] for name in args.settings]
    if args.claims:
        settings = CLAIMS
    if args.chosen:
        settings = [PLAIN, BASE, *filter(None, (best_of(searched(method)[0]) for method in LOSSES))]
    if args.teacher != SEARCHED and SEARCHED in args.seeds:
        parser.error(f'seed {SEARCHED} is the one to choose by, with the teacher of seed {SEARCHED}; change --seeds')
    taught = [replace(setting, teacher_seed=args.teacher) for setting in settings]
    work_off(((setting, seed) for seed, setting in product(args.seeds, taught)), args.jobs, args.dry_run)
    by_question = not (args.settings or args.claims or args.chosen)
    while by_question and 'methods' in args.questions and not args.dry_run:
        forget()
        beyond = [(setting, SEARCHED) for method in LOSSES for setting in searched(method)[1]]
        if not beyond:
            break
        work_off(beyond, args.jobs)


if __name__ == '__main__':
    main()
