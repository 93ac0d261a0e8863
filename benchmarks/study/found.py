"""The runs that there are, and what they say of a setting."""

import json
from collections.abc import Callable, Sequence
from functools import cache

from benchmarks.study.setting import REPORT, RESULTS, TUNE, Setting
from luminet_det.published.spread import paired_difference, spread

POINTS = 100  # of AP or accuracy
Metric = Callable[[dict], float] | str | None


def values(setting: Setting, of: Metric = None, split: str = REPORT) -> dict[int, float]:
    """A metric, in points of 100, by seed.

    Args:
        setting: Of which runs.
        of: Name of the metric, or a function of a split's scores; None: the setting's own.
        split: Which scores.
    """
    pick = of if callable(of) else lambda scores: scores[of or setting.metric]
    found = _runs(setting.study).get(setting.name, {})
    picked = {seed: pick(run['scores'][split]) for seed, run in found.items()}
    return {seed: POINTS * value for seed, value in picked.items() if value is not None}


def logged(setting: Setting, key: str) -> dict[int, dict[int, float]]:
    """What the runs have logged of something, by seed and step."""
    runs = _runs(setting.study).get(setting.name, {})
    return {seed: {line['step']: line[key] for line in run['curve'] if key in line} for seed, run in runs.items()}


def mean(setting: Setting, of: Metric = None) -> float | None:
    """Over the seeds, on the reported set; None without a run."""
    found = values(setting, of)
    return sum(found.values()) / len(found) if found else None


def spread_of(setting: Setting, of: Metric = None) -> str:
    """Mean ± sample sd over the seeds on the reported set, or 'not run'."""
    return spread(list(values(setting, of).values()))


def difference(setting: Setting, other: Setting, of: Metric = None) -> str:
    """Mean difference by seed on the reported set, from three seeds on with its 95% interval."""
    return paired_difference(values(setting, of), values(other, of))


def gap_closed(setting: Setting, plain: Setting) -> str:
    """(distilled - student) / (teacher - student), of the means over the seeds that both have."""
    teacher, own, alone = mean(setting.teacher), values(setting), values(plain)
    seeds = own.keys() & alone.keys()
    if teacher is None or not seeds:
        return '-'
    base, distilled = (sum(found[seed] for seed in seeds) / len(seeds) for found in (alone, own))
    return f'{(distilled - base) / (teacher - base):.0%}'


def best_of(tries: Sequence[Setting]) -> Setting | None:
    """The one with the highest metric on the set to choose by, with the first seed; None before any has run."""
    ran = [setting for setting in tries if 0 in values(setting)]
    return max(ran, key=lambda setting: values(setting, split=TUNE)[0], default=None)


@cache
def _runs(study: str) -> dict[str, dict[int, dict]]:
    """The contents of a study's result files by setting's name and seed."""
    found: dict[str, dict[int, dict]] = {}
    for path in sorted((RESULTS / study).glob('*.json')):
        content = json.loads(path.read_text())
        found.setdefault(content['setting'], {})[content['seed']] = content
    return found
