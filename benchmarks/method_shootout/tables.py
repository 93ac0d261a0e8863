"""The table and the plot of docs/method_shootout.md."""

import json

from benchmarks.digits_study.found import best_of, difference, gap_closed, spread_of, values
from benchmarks.digits_study.run import RESULTS, Teacher
from benchmarks.method_shootout.settings import FACTORS, PLAIN, Setting, alone, methods, tries
from benchmarks.methods_table import DETECTION
from luminet_det.published.markdown import table


def shootout() -> str:
    """Each method's best try over the seeds, highest AP first, with what its step costs."""
    cost = json.loads((RESULTS / 'method_cost.json').read_text())['detectors']
    kd = best_of(tries('kd'))
    lines = []
    for name in methods():
        best = best_of(tries(name))
        if best is None:
            lines.append((float('-inf'), [DETECTION[name].title, '', '0', 'not run', '', '', '', '']))
            continue
        found = values(best)
        lines.append(
            (
                sum(found.values()) / len(found),
                [
                    DETECTION[name].title,
                    f'{best.factor:g}',
                    str(len(found)),
                    spread_of(best),
                    difference(best, alone(name)),
                    difference(best, kd) if kd and name != 'kd' else '',
                    gap_closed(best, alone(name)),
                    f'{cost[name]["over_kd"]["median"]:.2f}',
                ],
            )
        )
    header = ['', 'weight times', 'seeds', 'AP', 'to its student alone', 'to KD', 'gap closed', 'step / KD']
    ordered = [line for _, line in sorted(lines, key=lambda line: line[0], reverse=True)]
    ends = f'Student alone: {spread_of(Setting(PLAIN))}. Teacher: {spread_of(Teacher())}.'
    return f'{table(header, ordered)}\n\n{ends}'


def search() -> str:
    """The AP of the tries on the set to choose by, seed 0."""
    lines = []
    for name in methods():
        best, cells = best_of(tries(name)), []
        for setting in tries(name):
            value = values(setting, split='tune').get(0)
            text = 'not run' if value is None else f'{value:.1f}'
            cells.append(f'**{text}**' if setting == best else text)
        lines.append([DETECTION[name].title, *cells])
    return table(['AP to choose by', *(f"config's weight times {factor:g}" for factor in FACTORS)], lines)
