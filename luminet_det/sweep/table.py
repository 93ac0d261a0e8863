"""The table at the end of a sweep."""

from collections.abc import Sequence
from statistics import mean

from luminet_det.options import parse_value
from luminet_det.published.markdown import table
from luminet_det.published.spread import spread
from luminet_det.sweep.grid import Grid
from luminet_det.sweep.outcome import Outcome


def format_table(grid: Grid, found: Sequence[Outcome], metric: str, lower_is_better: bool = False) -> str:
    """Write one row per combination: its values, the metric at the last and at the best validation, how many seeds.

    Mean ± sample sd over the seeds; the best mean of a column in bold.

    Returns:
        Markdown, without a newline at its end.
    """
    keys = [*grid.values, *grid.links]
    choose = min if lower_is_better else max
    # Accuracies come in percent, APs as fractions.
    digits = 2 if any(abs(value) > 1.5 for outcome in found for value in outcome.last.values()) else 4
    tops = {}
    for kind in ('last', 'best'):
        means = [mean(getattr(outcome, kind).values()) for outcome in found if outcome.n]
        tops[kind] = choose(means) if means else None
    head = [*(grid.names[key] for key in keys), f'{metric}, last', f'{metric}, best', 'n']
    rows = []
    for outcome in found:
        cells = [_shown(outcome.options[key]) for key in keys]
        cells += [_cell(list(getattr(outcome, kind).values()), tops[kind], digits) for kind in ('last', 'best')]
        rows.append([*cells, str(outcome.n)])
    note = 'Mean ± sample sd over n seeds. "best" is chosen on the data that it is measured on, so it flatters.'
    missing = [
        f'Not finished: {", ".join(f"{grid.names[key]}={outcome.options[key]}" for key in grid.values)} '
        f'seed {", ".join(map(str, outcome.missing))}.'
        for outcome in found
        if outcome.missing
    ]
    return '\n'.join([table(head, rows), '', note, *missing])


def _cell(values: list[float], top: float | None, digits: int) -> str:
    text = spread(values, digits)
    return f'**{text}**' if values and mean(values) == top else text


def _shown(text: str) -> str:
    value = parse_value(text)
    return f'{value:.6g}' if isinstance(value, float) else text
