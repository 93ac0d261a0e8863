"""What background rows do to KD and to LumiNet: the explanation of docs/roi_study.md, put to a test of its own.

    python -m benchmarks.background --jobs 2

Five seeds and a teacher that nothing was concluded from. Each method sees all rows, those of the foreground with as
many of the background, or those of the foreground alone. Losses are means over the rows; the weight goes with their
number, so that a row of the foreground counts for as much in each of the three.
"""

import argparse
from collections.abc import Mapping
from itertools import product

from benchmarks.digits_study.queue import work_off
from benchmarks.replication.settings import Again
from benchmarks.roi_study.settings import Setting
from benchmarks.study.found import counted, difference, values
from luminet_det.published.markdown import table
from luminet_det.published.spread import paired_difference

SEEDS, TEACHER = (11, 12, 13, 14, 15), 1
# A quarter of all rows is foreground.
WEIGHTS = dict(all=4, balanced=2, foreground=1)
METHODS = dict(kd='KD', luminet='LumiNet')


def asked() -> dict[tuple[str, str], Again]:
    """By method and rows."""
    return {
        (method, rows): Again(
            Setting(
                method,
                dict(tau=1, loss_weight=weight) | ({} if rows == 'all' else dict(rois=rows)),
                teacher_seed=TEACHER,
            ),
            'background',
        )
        for rows, weight in WEIGHTS.items()
        for method in METHODS
    }


def of_rows() -> str:
    """KD and LumiNet with ever less background, and LumiNet's lead."""
    settings, lines = asked(), []
    for rows, weight in WEIGHTS.items():
        kd, luminet = (settings[method, rows] for method in METHODS)
        cells = [counted(kd), counted(luminet), difference(luminet, kd)]
        lines.append([f'{rows}, weight {weight}', *cells])
    kd, luminet = ([settings[method, rows] for rows in ('foreground', 'all')] for method in METHODS)
    leads = [lead(settings['luminet', rows], settings['kd', rows]) for rows in ('foreground', 'all')]
    lines.append(['foreground less all', difference(*kd), difference(*luminet), paired_difference(*leads)])
    return table(['rows', *METHODS.values(), 'LumiNet to KD'], lines)


def lead(setting: Again, other: Again) -> Mapping[int, float]:
    """By how much a setting is ahead of another, by seed."""
    ours, theirs = values(setting), values(other)
    return {seed: ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()}


def main() -> None:
    parser = argparse.ArgumentParser(prog='background', description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', nargs='+', type=int, default=SEEDS)
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one core each')
    parser.add_argument('--dry-run', action='store_true', help='list what is missing')
    args = parser.parse_args()
    work_off([(setting, seed) for seed, setting in product(args.seeds, asked().values())], args.jobs, args.dry_run)


if __name__ == '__main__':
    main()
