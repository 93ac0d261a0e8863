"""The plot at the end of a sweep: the metric against the first option, a line for each value of the others."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from luminet_det.options import parse_value
from luminet_det.sweep.grid import Grid
from luminet_det.sweep.outcome import Outcome

LOG_FROM = 8  # an axis is logarithmic from this ratio of its largest to its smallest value


def draw(path: Path, grid: Grid, found: Sequence[Outcome], metric: str) -> None:
    """Draw the metric at the last validation, mean and sample sd over the seeds.

    Args:
        path: The PNG to write.
        grid: What was swept; its first option is the x axis.
        found: The rows; those without a finished seed leave a gap.
        metric: Name of the y axis.
    """
    from matplotlib.figure import Figure

    first, *others = grid.values
    values = [parse_value(text) for text in grid.values[first]]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places = dict(zip(grid.values[first], values if numeric else range(len(values)), strict=True))

    figure = Figure(figsize=(7, 4.5), layout='constrained')
    axes = figure.subplots()
    lines: dict[str, list[Outcome]] = {}
    for outcome in found:
        name = ', '.join(f'{grid.names[key]}={outcome.options[key]}' for key in others)
        lines.setdefault(name, []).append(outcome)
    for name, line in lines.items():
        ordered = sorted((outcome for outcome in line if outcome.n), key=lambda of: places[of.options[first]])
        runs = [list(outcome.last.values()) for outcome in ordered]
        axes.errorbar(
            [places[outcome.options[first]] for outcome in ordered],
            [mean(of) for of in runs],
            yerr=[stdev(of) if len(of) > 1 else 0 for of in runs],
            marker='o',
            capsize=3,
            label=name or None,
        )
    if numeric and min(values) > 0 and max(values) >= LOG_FROM * min(values):
        axes.set_xscale('log', base=2 if all(isinstance(value, int) for value in values) else 10)
    axes.set_xticks(list(places.values()), list(places))
    axes.minorticks_off()
    axes.set_xlabel(grid.names[first])
    axes.set_ylabel(metric)
    seeds = max((outcome.n for outcome in found), default=0)
    axes.set_title(f'last validation, {f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"}', fontsize=10)
    axes.grid(alpha=0.3)
    if others:
        axes.legend()
    figure.savefig(path, dpi=110)
