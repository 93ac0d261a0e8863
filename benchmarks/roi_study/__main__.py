"""Train what the study compares: benchmarks/results/roi_study has a file for each run, made if it is missing.

    python -m benchmarks.roi_study --questions rows eps --seeds 0 1 --jobs 2

Some two minutes a run. What is done is not done again; what was cut short resumes.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from benchmarks.roi_study.run import DATA, STUDIED, finish, result_file
from benchmarks.roi_study.scenes import prepare
from benchmarks.roi_study.settings import QUESTIONS, TEACHER, Setting
from luminet_det.quickstart.digits import prepare_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--questions', nargs='+', choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument('--settings', nargs='+', help='only these, by their names')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    settings = dict.fromkeys(setting for question in args.questions for setting in QUESTIONS[question])
    missing = [
        (setting, seed)
        for seed, setting in product(args.seeds, settings)
        if not result_file(setting, seed).is_file() and (not args.settings or setting.name in args.settings)
    ]
    print(f'{len(missing)} runs', flush=True)
    if args.dry_run:
        print(*(f'{setting.name} {seed}' for setting, seed in missing), sep='\n')
        return
    prepare_digits(DATA)
    prepare(STUDIED)
    for uneven in sorted({setting.uneven for setting, _ in missing if setting.distill}):
        report(Setting(TEACHER, uneven=uneven), 0)
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda run: report(*run), missing))


def report(setting: Setting, seed: int) -> None:
    found = finish(setting, seed)['scores']
    print(f'{setting.name} {seed}: AP tune {found["tune"]["AP"]:.3f} report {found["report"]["AP"]:.3f}', flush=True)


if __name__ == '__main__':
    main()
