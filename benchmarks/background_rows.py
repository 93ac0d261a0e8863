"""What background rows do to KD and to LumiNet: a separate test of the explanation in docs/roi_study.md.

    python -m benchmarks.background_rows --jobs 2

Five other seeds and another teacher. Each method sees all rows, the foreground rows with as many of the background, or
only the foreground rows. Losses are means over the rows; the weight is proportional to their number, so a foreground
row counts for about as much in each of the three.
"""

from benchmarks.digits_study import command_line
from benchmarks.replication.settings import Again
from benchmarks.roi_study.settings import Setting
from benchmarks.study.found import counted, difference, lead
from luminet_det.published.markdown import table
from luminet_det.published.spread import paired_difference

SEEDS, TEACHER = (11, 12, 13, 14, 15), 1
# Nearly a quarter of all rows is foreground.
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
            'background_rows',
        )
        for rows, weight in WEIGHTS.items()
        for method in METHODS
    }


def by_rows() -> str:
    """KD and LumiNet with less and less background, and LumiNet's lead."""
    settings, lines = asked(), []
    for rows, weight in WEIGHTS.items():
        kd, luminet = (settings[method, rows] for method in METHODS)
        lines.append([f'{rows}, weight {weight}', counted(kd), counted(luminet), difference(luminet, kd)])
    gains = [difference(settings[method, 'all'], settings[method, 'foreground']) for method in METHODS]
    leads = [lead(settings['luminet', rows], settings['kd', rows]) for rows in ('all', 'foreground')]
    lines.append(['all minus foreground', *gains, paired_difference(*leads)])
    return table(['rows', *METHODS.values(), 'LumiNet vs KD'], lines)


if __name__ == '__main__':
    command_line.main('background_rows', __doc__.splitlines()[0], asked().values(), SEEDS)
