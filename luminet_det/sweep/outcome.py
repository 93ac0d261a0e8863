"""The results of all seeds for one combination of values."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from statistics import mean, stdev

from luminet_det.sweep.point import Point


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Args:
        options: Config options and their values as text.
        last: The metric at the last validation, by seed; seeds that did not finish are not there.
        best: The metric at the best validation, by seed.
        missing: The seeds that did not finish.
    """

    options: dict[str, str]
    last: dict[int, float]
    best: dict[int, float]
    missing: list[int]

    @property
    def n(self) -> int:
        """How many seeds finished."""
        return len(self.last)

    def as_dict(self) -> dict:
        """Everything, for JSON."""
        kinds = {kind: _spread(getattr(self, kind)) for kind in ('last', 'best')}
        return dict(options=self.options, n=self.n, missing_seeds=self.missing, **kinds)


def outcomes(points: Sequence[Point], metric: str, lower_is_better: bool = False) -> list[Outcome]:
    """Gather the finished points, in the order of the grid.

    Raises:
        KeyError: A finished point has no such metric; the message names the nearest that it has. mmdet measures nothing
            where nothing was detected; such a point counts as 0 if another has the metric.
    """
    known = not lower_is_better and any(
        metric in entry for point in points if point.finished for entry in point.validations()
    )
    found = []
    for _, group in itertools.groupby(points, key=lambda point: point.options):
        last, best, missing = {}, {}, []
        options: dict[str, str] = {}
        for point in group:
            options = point.options
            if not point.finished:
                missing.append(point.seed)
                continue
            values = _values(point, metric, known)
            last[point.seed] = values[-1]
            best[point.seed] = min(values) if lower_is_better else max(values)
        found.append(Outcome(options, last, best, missing))
    return found


def _values(point: Point, metric: str, known: bool) -> list[float]:
    validations = point.validations()
    values = [entry[metric] for entry in validations if metric in entry]
    if not values:
        names = [name for name in validations[-1] if name not in ('step', 'epoch', 'iteration', 'time', 'data_time')]
        if known and not names:
            return [0.0]
        near = get_close_matches(metric, names, n=1, cutoff=0.4)
        meant = f'Did you mean --metric {near[0]}?' if near else f'There are: {", ".join(names)}.'
        raise KeyError(f'{point.work_dir} has no metric {metric}. {meant} Finished runs will not run again.')
    return values


def _spread(values: dict[int, float]) -> dict:
    numbers = list(values.values())
    return dict(
        mean=mean(numbers) if numbers else None, sd=stdev(numbers) if len(numbers) > 1 else None, by_seed=values
    )
