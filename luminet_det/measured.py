"""What an evaluator measures, and whether what a config chooses by is among it."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import Any

from mmdet.evaluation import CocoMetric, VOCMetric
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import Runner

from luminet_det.hooks.result import METRIC
from luminet_det.unread_annotations import place_of

# In the order of pycocotools' summary.
PRECISIONS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
RECALLS = ('AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000')
# The settings of hooks that name a measure.
CHOOSERS = dict(CheckpointHook='save_best', EarlyStoppingHook='monitor', ResultHook='metric')


def guard(runner: Runner) -> None:
    """Have `runner` refuse, before its first step, a best epoch by what it does not measure.

    Left alone, mmengine stops at a KeyError after the first validation, which may come after hours.
    """
    build = runner.build_evaluator

    @wraps(build)
    def build_evaluator(setting: Any) -> Evaluator:
        evaluator = build(setting)
        validates = place_of(runner, setting, ('val_evaluator', 'test_evaluator')) == 'val_evaluator'
        if validates and (found := unmeasured(runner.cfg, evaluator.metrics)):
            raise ValueError('{}: {} Change it, or val_evaluator.'.format(*found))
        return evaluator

    runner.build_evaluator = build_evaluator


def unmeasured(cfg: Mapping, metrics: Sequence[BaseMetric]) -> tuple[str, str] | None:
    """What a config chooses an epoch by, although its metrics do not measure it.

    Args:
        cfg: The config.
        metrics: Of its `val_evaluator`, built.

    Returns:
        The setting, as `default_hooks.checkpoint.save_best`, and what is wrong with it; None if nothing is, or if one
        of the metrics does not say beforehand what it measures.
    """
    of_each = [names(metric) for metric in metrics]
    if not of_each or None in of_each:
        return None
    measured = [name for of_one in of_each for name in of_one]
    for place, name in chosen_by(cfg):
        if name not in measured:
            near = get_close_matches(name, measured, n=1)
            meant = f' Did you mean {near[0]}?' if near else ''
            return place, f'{name!r} is not measured, only {", ".join(measured) or "nothing"}.{meant}'
    return None


def names(metric: BaseMetric) -> list[str] | None:
    """Of what a metric measures, as the log has them: `coco/bbox_mAP`; None where it is not known beforehand."""
    if hasattr(metric, 'names'):
        return list(metric.names)
    # Not of classes derived from them, which measure what they like.
    of_kind = {CocoMetric: _of_coco, VOCMetric: _of_voc}.get(type(metric))
    return [f'{metric.prefix}/{name}' for name in of_kind(metric)] if of_kind else None


def chosen_by(cfg: Mapping) -> Iterator[tuple[str, str]]:
    """What the hooks of a config choose an epoch by: the setting and the name in it."""
    default = {f'default_hooks.{name}': hook for name, hook in (cfg.get('default_hooks') or {}).items()}
    custom = {f'custom_hooks.{i}': hook for i, hook in enumerate(cfg.get('custom_hooks') or [])}
    for place, hook in (default | custom).items():
        kind = str((hook or {}).get('type')).rpartition('.')[2]
        if (key := CHOOSERS.get(kind)) is None:
            continue
        asked = hook.get(key) or (METRIC if kind == 'ResultHook' else [])
        for name in [asked] if isinstance(asked, str) else asked:
            if name != 'auto':  # the first that is measured
                yield f'{place}.{key}', name


def _of_coco(metric: CocoMetric) -> Iterator[str]:
    for measure in () if metric.format_only else metric.metrics:
        if measure == 'proposal_fast':
            yield from (f'AR@{number}' for number in metric.proposal_nums)
        elif measure == 'proposal':
            yield from metric.metric_items or RECALLS
        else:
            yield from (f'{measure}_{item}' for item in metric.metric_items or PRECISIONS)
            if metric.classwise and metric._coco_api:
                yield from (f'{category["name"]}_precision' for category in metric._coco_api.cats.values())


def _of_voc(metric: VOCMetric) -> Iterator[str]:
    if metric.metric == 'mAP':
        yield 'mAP'
        yield from (f'AP{int(threshold * 100):02d}' for threshold in metric.iou_thrs)
        return
    yield from (f'recall@{number}@{threshold}' for number in metric.proposal_nums for threshold in metric.iou_thrs)
    if len(metric.iou_thrs) > 1:
        yield from (f'AR@{number}' for number in metric.proposal_nums)
