"""The plots of docs/roi_study.md."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from benchmarks.roi_study.found import Found, best_of
from benchmarks.roi_study.settings import LOSSES, PLAIN, TEACHER, WEIGHTS, Setting
from benchmarks.roi_study.tables import TITLES

COLOURS = dict(kd='tab:orange', dkd='tab:green', lskd='tab:purple', luminet='tab:blue')
STYLES = dict(all='-', balanced='--', near='-.', foreground=':')
DIGEST = 'Data'  # the PNG's text that says which figures it was drawn from
Line = tuple[str, str, str, list[tuple[float, list[float]]]]  # label, colour, style, AP of the seeds at each weight


def draw(folder: Path, found: Found) -> None:
    """Write every plot into a folder."""
    for name, (title, lines) in plots(found).items():
        figure = weights_against_ap(title, lines, found)
        digest = digest_of(title, lines)
        figure.savefig(folder / f'{name}.png', dpi=110, metadata={DIGEST: digest, 'Software': None})


def plots(found: Found) -> dict[str, tuple[str, list[Line]]]:
    """Of each plot its title and lines."""
    by_rows = [
        line(f'{TITLES[method]}, {rows}', method, rows, found, dict(tau=1) | ({} if rows == 'all' else dict(rois=rows)))
        for method, rows in [*(('luminet', rows) for rows in STYLES), ('kd', 'all'), ('kd', 'foreground')]
    ]
    by_method = []
    for method in LOSSES:
        best = best_of(method, found)
        if best is not None:
            term = {key: value for key, value in best.term.items() if key != 'loss_weight'}
            by_method.append(line(f'{TITLES[method]}, tau {term["tau"]}', method, 'all', found, term))
    return {
        'roi_study_rows': ('AP against the weight, by rows', by_rows),
        'roi_study_methods': ('AP against the weight, each method at its best temperature', by_method),
    }


def line(label: str, method: str, rows: str, found: Found, term: dict) -> Line:
    scale = term['tau'] ** 2 if method == 'luminet' else 1
    points = [(weight, Setting(method, term | dict(loss_weight=weight * scale))) for weight in WEIGHTS]
    values = [(weight, list(found.values(setting).values())) for weight, setting in points]
    return label, COLOURS[method], STYLES[rows], [(weight, of) for weight, of in values if of]


def weights_against_ap(title: str, lines: Sequence[Line], found: Found) -> Figure:
    """One line a method or choice of rows: the mean over seeds, each seed a point; below the student alone it hurts."""
    figure = Figure(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    for label, colour, style, points in lines:
        axes.plot([w for w, _ in points], [sum(of) / len(of) for _, of in points], style, color=colour, label=label)
        scattered = [(weight, value) for weight, of in points for value in of]
        if scattered:
            axes.plot(*zip(*scattered, strict=True), '.', color=colour, markersize=4)
    for setting, words in ((PLAIN, 'student alone'), (Setting(TEACHER), 'teacher')):
        if (value := found.mean(setting)) is not None:
            axes.axhline(value, color='grey', linewidth=1)
            axes.text(WEIGHTS[0], value, f' {words}', color='grey', va='bottom')
    if (alone := found.mean(PLAIN)) is not None:
        axes.axhspan(0, alone, color='tab:red', alpha=0.08)
        axes.text(WEIGHTS[-1], alone, 'here it hurts ', color='tab:red', va='top', ha='right')
    axes.set(
        xscale='log', xticks=WEIGHTS, xlabel='weight (times tau squared)', ylabel='AP', title=title, ylim=(0, None)
    )
    axes.set_xticks(WEIGHTS, map(str, WEIGHTS))
    axes.minorticks_off()
    axes.legend(fontsize='small', ncols=2, loc='lower left')
    return figure


def digest_of(title: str, lines: Sequence[Line]) -> str:
    """Of the figures that a plot shows, so that a test sees whether it is stale."""
    return hashlib.sha256(json.dumps([title, lines]).encode()).hexdigest()[:16]


def digest_in(path: Path) -> str:
    """The digest that a plot was drawn with."""
    with Image.open(path) as image:
        return image.text[DIGEST]
