"""The existing runs, and their results for a setting."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from statistics import fmean

from benchmarks.study.setting import REPORT, RESULTS, TUNE, Setting, result_file
from luminet_det.published.spread import FEWEST, paired_difference, spread
from luminet_det.published.spread import gap_closed as part_closed

POINTS = 100  # full scale of AP or accuracy
SEARCHED = 0  # the seed by which settings are chosen
Metric = Callable[[dict], float] | str | None


def values(setting: Setting, of: Metric = None, split: str = REPORT, fresh: bool = False) -> dict[int, float]:
    """A metric, from 0 to 100, by seed.

    Args:
        setting: The setting of the runs.
        of: Name of the metric, or a function of a split's scores; None: the setting's own metric.
        split: The set of the scores.
        fresh: Leave out the seed by which settings are chosen. A run that was chosen because it was lucky is lucky on
            both sets.
    """
    pick = of if callable(of) else lambda scores: scores.get(of or setting.metric)
    found = runs_of(setting)
    picked = {seed: pick(run['scores'][split]) for seed, run in found.items() if not (fresh and seed == SEARCHED)}
    return {seed: POINTS * value for seed, value in picked.items() if value is not None}


def logged(setting: Setting, key: str) -> dict[int, dict[int, float]]:
    """The values that the runs have logged for a key, by seed and step."""
    runs = runs_of(setting).items()
    return {seed: {line['step']: line[key] for line in run['curve'] if key in line} for seed, run in runs}


def mean(setting: Setting, of: Metric = None, fresh: bool = False) -> float | None:
    """The mean over the seeds, on the reported set; None without a run."""
    found = values(setting, of, fresh=fresh)
    return fmean(found.values()) if found else None


def spread_of(setting: Setting, of: Metric = None, fresh: bool = False) -> str:
    """Mean ± sample sd over the seeds on the reported set, or 'not run'."""
    return spread(list(values(setting, of, fresh=fresh).values()))


def counted(setting: Setting, of: Metric = None) -> str:
    """`spread_of` with the number of seeds where there are several."""
    n = len(values(setting, of))
    return spread_of(setting, of) + (f' (n = {n})' if n > 1 else '')


def difference(setting: Setting, other: Setting, of: Metric = None, fresh: bool = False) -> str:
    """Mean difference by seed on the reported set, with its 95% interval from three seeds on.

    Raises:
        RuntimeError: For some seed, the two students had teachers of the same recipe but of different seeds.
    """
    ours, theirs = (values(one, of, fresh=fresh) for one in (setting, other))
    for seed in sorted(ours.keys() & theirs.keys()):
        heard = [runs_of(one)[seed].get('teacher') for one in (setting, other)]
        if heard[0] != heard[1] and _by_weights(setting.teacher).keys() >= set(heard):
            raise RuntimeError(
                f'{result_file(setting, seed).name} and {result_file(other, seed).name} are of students of different '
                'teachers, so their difference would include that of the teachers. Delete one of the two, and train '
                'it with the `--teacher` of the other.'
            )
    return paired_difference(ours, theirs)


def lead(setting: Setting, other: Setting) -> dict[int, float]:
    """By how much a setting is ahead of another on the reported set, by seed."""
    ours, theirs = values(setting), values(other)
    return {seed: ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()}


def gap_closed(setting: Setting, plain: Setting, fresh: bool = False) -> str:
    """(distilled - student) / (teacher - student), from the means over the seeds that both have; '-' for fewer than
    three seeds, or if the teacher has no result."""
    heard, own, alone = _heard(setting), values(setting, fresh=fresh), values(plain, fresh=fresh)
    seeds = heard.keys() & own.keys() & alone.keys()
    if len(seeds) < FEWEST:
        return '-'
    teacher, student, distilled = (fmean(found[seed] for seed in seeds) for found in (heard, alone, own))
    part = part_closed(teacher, student, distilled)
    return '-' if part is None else f'{part:.0%}'


def best_of(tries: Sequence[Setting]) -> Setting | None:
    """The try with the highest metric on the set to choose by, with the first seed; None before any has run."""
    ran = [setting for setting in tries if has_run(setting)]
    return max(ran, key=lambda setting: values(setting, split=TUNE)[SEARCHED], default=None)


def has_run(setting: Setting) -> bool:
    """Whether it has run with the seed by which settings are chosen."""
    return SEARCHED in values(setting)


def runs_of(setting: Setting) -> dict[int, dict]:
    """The contents of its result files by seed; for a setting with a fixed seed, only that one's."""
    found = _runs(setting.study).get(setting.name, {})
    return {seed: run for seed, run in found.items() if seed == getattr(setting, 'seed', seed)}


def forget() -> None:
    """Read the files again when they are needed next."""
    _runs.cache_clear()


def teachers_of(*settings: Setting) -> str:
    """Mean ± sample sd of the teachers of some settings' students, or 'not run'."""
    scores = {score for setting in settings for score in _heard(setting).values()}
    return spread(sorted(scores)) if scores else spread_of(settings[0].teacher)


def _heard(setting: Setting) -> dict[int, float]:
    """The score of a student's teacher by the student's seed, 0 to 100; with an assistant, that of its teacher."""
    scores, first = _by_weights(setting.teacher), mean(setting.teacher)
    heard = {seed: scores.get(run.get('teacher'), first) for seed, run in runs_of(setting).items()}
    return {seed: score for seed, score in heard.items() if score is not None}


def _by_weights(teacher: Setting) -> dict[str, float]:
    """The score of a teacher with each of its seeds, by the digest of its weights."""
    runs = _runs(teacher.study).get(teacher.name, {}).values()
    return {run['weights']: POINTS * run['scores'][REPORT][teacher.metric] for run in runs if 'weights' in run}


@cache
def _runs(study: str) -> dict[str, dict[int, dict]]:
    """The contents of a study's result files by setting's name and seed."""
    found: dict[str, dict[int, dict]] = {}
    for path in sorted((RESULTS / study).glob('*.json')):
        content = json.loads(path.read_text())
        found.setdefault(content['setting'], {})[content['seed']] = content
    return found
