"""Compares runs of a student alone with runs of the distilled one, for `tools/compare.py`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from mmengine.config import Config

from luminet_det import run_log
from luminet_det.chain.table import leading
from luminet_det.published.markdown import table
from luminet_det.published.spread import FEWEST, gap_closed, interval, paired_difference, spread
from luminet_det.sweep.point import RESULT, validations

POINTS = 100
FRACTIONS, PERCENT = ('coco/', 'pascal_voc/'), 'accuracy/'  # how metrics are logged
IMAGES = ('dataset', 'train_images', 'selected_on')  # keys of a result file


@dataclass(frozen=True)
class Trained:
    """A run that has been validated.

    Attributes:
        folder: Its work dir.
        seed: The seed it was started with.
        steps: Epochs or iterations before its last validation.
        last: Metrics of the last validation, or on the test set if the run uses that only at its end.
        best: The same for the best validation by the leading metric.
        teacher: The metrics of the teacher that `TeacherEvaluationHook` has logged.
        images: What it was trained on and its best epoch was chosen by, if its result file says so.
    """

    folder: Path
    seed: int
    steps: int
    last: Mapping[str, float]
    best: Mapping[str, float]
    teacher: Mapping[str, float]
    images: Mapping[str, object]

    @classmethod
    def read(cls, folder: Path) -> 'Trained':
        """Read a work dir.

        Raises:
            ValueError: Nothing was validated there, or the run was started without a seed.
        """
        validated = validations(folder)
        configs = [
            path for path in sorted(folder.glob('*/vis_data/config.py')) if _trains(path.with_name('scalars.json'))
        ]
        if not validated or not configs:
            raise ValueError(f'{folder} is not the work dir of a run that was validated.')
        seed = (Config.fromfile(configs[-1]).get('randomness') or {}).get('seed')
        if seed is None:
            raise ValueError(f'{folder} was trained without a seed, so it has no counterpart: train with --seed.')
        result = json.loads((folder / RESULT).read_text()) if (folder / RESULT).is_file() else {}
        metric = leading({name: score for scores in validated for name, score in scores.items()})
        found = dict(last=validated[-1], best=max(validated, key=lambda scores: scores.get(metric, float('-inf'))))
        found |= result.get('test') or {}
        images = {name: result[name] for name in IMAGES if name in result}
        return cls(folder, seed, validated[-1]['step'], found['last'], found['best'], _teacher(folder), images)


def compare(plain: Sequence[Path], distilled: Sequence[Path], metric: str | None = None) -> str:
    """Write a table of teacher, student alone and distilled student, and whether distillation helped.

    Args:
        plain: Work dirs of the student alone, one per seed.
        distilled: Work dirs of the distilled student, with the same seeds.
        metric: What is compared, higher being better; default: the mean AP, or the first that was measured.

    Returns:
        Markdown, without a newline at its end. APs and other fractions are multiplied by 100.

    Raises:
        ValueError: A folder cannot be read, two runs have the same seed, no seed is common, the runs differ in length,
            or the metric was not measured. If a validation without detections lacks a metric that another one has, it
            counts as 0.
    """
    runs = {'student alone': [*map(Trained.read, plain)], 'distilled': [*map(Trained.read, distilled)]}
    metric = _common_metric(runs, metric)
    every = [run for found in runs.values() for run in found]
    scale = POINTS if _is_fraction(metric, [_score(run.last, metric) for run in every]) else 1
    last, best = (
        {name: {run.seed: scale * _score(getattr(run, which), metric) for run in found} for name, found in runs.items()}
        for which in ('last', 'best')
    )
    alone, taught = last.values()
    common = sorted(alone.keys() & taught.keys())
    if not common:
        raise ValueError(f'No seed is common: the student alone has {[*alone]}, the distilled one {[*taught]}.')
    teachers = [scale * run.teacher[metric] for run in runs['distilled'] if metric in run.teacher]
    teacher = max(teachers, default=None)
    rows = [
        ['teacher', '', '-' if teacher is None else f'{teacher:.2f}', '', '', ''],
        [
            'student alone',
            str(len(alone)),
            spread([*alone.values()]),
            spread([*best['student alone'].values()]),
            '',
            '',
        ],
        [
            'distilled',
            str(len(taught)),
            spread([*taught.values()]),
            spread([*best['distilled'].values()]),
            paired_difference(taught, alone),
            _percent(gap_closed(teacher, *(mean(found[seed] for seed in common) for found in (alone, taught)))),
        ],
    ]
    unit = f'{metric} x 100' if scale == POINTS else metric
    head = ['', 'seeds', f'{unit}, last', 'best', 'vs student alone', 'gap closed']
    told = [verdict([taught[seed] - alone[seed] for seed in common]), *_other_images(runs)]
    return '\n\n'.join([table(head, rows), *told])


def _other_images(runs: Mapping[str, Sequence[Trained]]) -> Iterator[str]:
    """Say where the result files name images that are not the same for all runs."""
    for name in IMAGES:
        found = {which: {run.images[name] for run in each if name in run.images} for which, each in runs.items()}
        if len(set().union(*found.values())) > 1:
            listed = ', '.join(f'{which} {" and ".join(map(str, values))}' for which, values in found.items())
            yield f'**Not the same images**, {name}: {listed}. The difference is not due to distillation alone.'


def _common_metric(runs: Mapping[str, Sequence[Trained]], metric: str | None) -> str:
    """The metric to compare, which all runs have measured; raises ValueError if they cannot be compared."""
    for name, found in runs.items():
        twice = sorted(run.folder.name for run in found if sum(run.seed == other.seed for other in found) > 1)
        if twice:
            raise ValueError(f'{", ".join(twice)} ({name}) have the same seed: each run needs its own.')
    every = [run for found in runs.values() for run in found]
    if len({run.steps for run in every}) > 1:
        told = ', '.join(f'{run.folder.name} {run.steps}' for run in every)
        raise ValueError(f'Runs of different lengths are not compared: {told}. Train all of them equally long.')
    measured = {name: score for run in every for scores in (run.last, run.best) for name, score in scores.items()}
    metric = metric or leading(measured)
    for run in every:
        if metric not in run.last and not (metric in measured and _detected_nothing(run.last)):
            raise ValueError(f'{run.folder} has no {metric}; there are: {", ".join(run.last)}.')
    return metric


def _is_fraction(metric: str, scores: Sequence[float]) -> bool:
    """Whether a metric is at most 1; if its name is unknown, judged by its scores."""
    if metric.startswith(FRACTIONS):
        return True
    return not metric.startswith(PERCENT) and all(abs(score) <= 1 for score in scores)


def _detected_nothing(scores: Mapping[str, float]) -> bool:
    """Whether a validation has no metric, as mmdet's has none where nothing was detected."""
    return leading(scores) not in scores


def _score(scores: Mapping[str, float], metric: str) -> float:
    return 0.0 if _detected_nothing(scores) else scores[metric]


def verdict(differences: Sequence[float]) -> str:
    """What the differences by seed say, and what they do not."""
    ahead = sum(difference > 0 for difference in differences)
    told = (
        f'The distilled student is ahead on {ahead} of {len(differences)} seeds, by {mean(differences):+.2f} on average'
    )
    if len(differences) < FEWEST:
        return f'{told}. Two runs of the same setting differ too: fewer than {FEWEST} seeds prove nothing.'
    low, high = interval(differences)
    follows = 'better' if low > 0 else 'worse' if high < 0 else None
    if follows is None:
        return f'{told}. The 95% interval ({low:+.2f} to {high:+.2f}) contains zero: these runs do not tell them apart.'
    return f'{told}. The 95% interval ({low:+.2f} to {high:+.2f}) excludes zero: it is {follows}.'


def _trains(log: Path) -> bool:
    """Whether a log is from training, not from tools/test.py, which writes into the same folder."""
    return log.is_file() and '"iter"' in log.read_text(encoding='utf-8')


def _percent(part: float | None) -> str:
    return '-' if part is None else f'{part:.0%}'


def _teacher(folder: Path) -> dict[str, float]:
    found = {}
    for entry in run_log.entries(folder):
        found |= {key: value for key, value in entry.items() if key.startswith('teacher/')}
    return {key.removeprefix('teacher/'): value for key, value in found.items()}
