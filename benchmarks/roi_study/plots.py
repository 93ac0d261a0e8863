"""The plots of docs/roi_study.md."""

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.figure import Figure

from benchmarks.digits_study.run import Teacher
from benchmarks.roi_study.settings import LOSSES, PLAIN, SHOWN, Setting, searched
from benchmarks.roi_study.tables import TITLES
from benchmarks.study.found import best_of, mean, values

COLOURS = dict(kd='tab:orange', dkd='tab:green', lskd='tab:purple', luminet='tab:blue')
STYLES = dict(all='-', balanced='--', near='-.', foreground=':')
Line = tuple[str, str, str, list[tuple[float, list[float]]]]  # label, colour, style, AP of the seeds at each weight


def plots() -> dict[str, tuple[object, Callable[[], Figure]]]:
    """For each plot what it shows, and a function that draws it."""
    ends = [list(values(PLAIN).values()), mean(Teacher())]
    by_rows = [
        line(f'{TITLES[method]}, {rows}', method, rows, dict(tau=1) | ({} if rows == 'all' else dict(rois=rows)))
        for method, rows in [*(('luminet', rows) for rows in STYLES), ('kd', 'all'), ('kd', 'foreground')]
    ]
    by_method = []
    for method in LOSSES:
        best = best_of(searched(method)[0])
        if best is not None:
            term = best.told()
            rows = term.get('rois', 'all')
            by_method.append(line(f'{TITLES[method]}, tau {term["tau"]}, {rows}', method, rows, term))
    titles = {
        'roi_study_rows': ('AP against the weight, by rows', by_rows),
        'roi_study_methods': ('AP against the weight, each method at its best temperature and rows', by_method),
    }
    return {
        name: ([title, lines, ends], partial(weights_against_ap, title, lines, *ends))
        for name, (title, lines) in titles.items()
    }


def line(label: str, method: str, rows: str, term: dict) -> Line:
    """A method's AP at each weight that has run."""
    scale = term['tau'] ** 2 if method == 'luminet' else 1
    settings = [(weight, Setting(method, term | dict(loss_weight=weight * scale))) for weight in SHOWN]
    seeds = [(weight, list(values(setting).values())) for weight, setting in settings]
    return label, COLOURS[method], STYLES[rows], [(weight, of) for weight, of in seeds if of]


def weights_against_ap(title: str, lines: Sequence[Line], alone: Sequence[float], teacher: float | None) -> Figure:
    """One line per method or choice of rows: mean over seeds, a point per seed; below all students alone it hurts."""
    figure = Figure(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    for label, colour, style, points in (line for line in lines if line[3]):
        axes.plot([w for w, _ in points], [sum(of) / len(of) for _, of in points], style, color=colour, label=label)
        for weight, of in points:
            axes.plot([weight] * len(of), of, '.', color=colour, markersize=4)
    if teacher is not None:
        axes.axhline(teacher, color='grey', linewidth=1)
        axes.text(SHOWN[0], teacher, ' teacher', color='grey', va='bottom')
    if alone:
        axes.axhspan(min(alone), max(alone), color='grey', alpha=0.25)
        axes.text(SHOWN[0], max(alone), f' student alone, {len(alone)} seeds', color='grey', va='bottom')
        axes.axhspan(0, min(alone), color='tab:red', alpha=0.08)
        axes.text(SHOWN[-1], min(alone), 'here it hurts ', color='tab:red', va='top', ha='right')
    axes.set(xscale='log', xlabel='weight (times tau squared)', ylabel='AP', title=title, ylim=(0, None))
    axes.set_xlim(SHOWN[0] / 1.2, SHOWN[-1] * 1.2)
    axes.set_xticks(SHOWN, map(str, SHOWN))
    axes.minorticks_off()
    if any(line[3] for line in lines):
        axes.legend(fontsize='small', ncols=2, loc='lower left')
    return figure
