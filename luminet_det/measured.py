"""What an evaluator measures, and whether that includes the metric by which a config chooses an epoch."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import wraps
from typing import Any

from mmdet.evaluation import CocoMetric, VOCMetric
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import Runner

from luminet_det.class_name import class_name
from luminet_det.classification.accuracy import Accuracy
from luminet_det.configured_hooks import configured_hooks
from luminet_det.hooks.result import METRIC
from luminet_det.unread_annotations import place_of

# In the order of pycocotools' summary.
PRECISIONS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
RECALLS = ('AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000')
# The settings of hooks that name a metric.
CHOOSERS = dict(CheckpointHook='save_best', EarlyStoppingHook='monitor', ResultHook='metric')


def guard(runner: Runner) -> None:
    """Have `runner` refuse, before its first step, to choose an epoch by a metric that it does not measure.

    Otherwise a CheckpointHook ends the run after the first validation, which may take hours to reach, and an
    EarlyStoppingHook never ends it.
    """
    build = runner.build_evaluator

    @wraps(build)
    def build_evaluator(setting: Any) -> Evaluator:
        # Compared before the evaluator is built, which may change the setting.
        validates = place_of(runner, setting, ('val_evaluator', 'test_evaluator')) == 'val_evaluator'
        evaluator = build(setting)
        if validates and (found := unmeasured(runner.cfg, evaluator)):
            raise ValueError('{}: {} Change it, or val_evaluator.'.format(*found))
        return evaluator

    runner.build_evaluator = build_evaluator


@contextmanager
def explain_rule(cfg: Mapping) -> Iterator[None]:
    """Add the place in the config to mmengine's error that it does not know whether a higher metric is better."""
    try:
        yield
    except ValueError as error:
        said = re.search(r'the rule for (?:key )?(.*), thus', str(error))
        named = [place for place, name in chosen_by(cfg) if said and name == said[1]]
        if not named:
            raise
        raise ValueError(
            f"{error} It is set in {named[0]}: spell it as in the log, e.g. coco/bbox_mAP, or set rule='greater' or "
            "'less' next to it."
        ) from error


def unmeasured(cfg: Mapping, evaluator: Evaluator) -> tuple[str, str] | None:
    """The metric by which a config chooses an epoch although it is not measured.

    Args:
        cfg: The config.
        evaluator: Its `val_evaluator`, built.

    Returns:
        The setting, such as `default_hooks.checkpoint.save_best`, and what is wrong with it. None if nothing is, or if
        it is not known beforehand what is measured: evaluators and loops other than mmengine's choose their own names.
    """
    loop = class_name(cfg.get('val_cfg')) or 'ValLoop'
    of_each = [names(metric) for metric in evaluator.metrics]
    if type(evaluator) is not Evaluator or loop != 'ValLoop' or None in of_each:
        return None
    measured = [name for of_one in of_each for name in of_one]
    for place, name in chosen_by(cfg):
        if measured and name not in measured:
            near = get_close_matches(name, measured, n=1)
            meant = f' Did you mean {near[0]}?' if near else ''
            return place, f'{name!r} is not measured, only {", ".join(measured)}.{meant}'
    return None


def names(metric: BaseMetric) -> list[str] | None:
    """The names of what a metric measures, as in the log: `coco/bbox_mAP`; None if they are not known beforehand."""
    # Not for derived classes, which may measure anything.
    of_kind = {Accuracy: _of_accuracy, CocoMetric: _of_coco, VOCMetric: _of_voc}.get(type(metric))
    found = of_kind and of_kind(metric)
    return None if found is None else [f'{metric.prefix}/{name}' for name in found]


def chosen_by(cfg: Mapping) -> Iterator[tuple[str, str]]:
    """The metrics by which the hooks of a config choose an epoch: the setting and the name in it."""
    for place, hook in configured_hooks(cfg).items():
        if (key := CHOOSERS.get(kind := class_name(hook))) is None:
            continue
        asked = hook.get(key) or (METRIC if kind == 'ResultHook' else [])
        for name in [asked] if isinstance(asked, str) else asked:
            if name != 'auto':  # 'auto' takes the first that is measured
                yield f'{place}.{key}', name


def _of_accuracy(metric: Accuracy) -> list[str]:
    return [f'top{k}' for k in metric.topk]


def _of_coco(metric: CocoMetric) -> list[str] | None:
    if metric.format_only:
        return []
    if metric.classwise and metric._coco_api is None:
        return None  # the classes are known only with the first images
    found = []
    for measure in metric.metrics:
        if measure == 'proposal_fast':
            found += [f'AR@{number}' for number in metric.proposal_nums]
        elif measure == 'proposal':
            found += metric.metric_items or RECALLS
        else:
            classes = metric._coco_api.cats.values() if metric.classwise else ()
            found += [f'{category["name"]}_precision' for category in classes]
            found += [f'{measure}_{item}' for item in metric.metric_items or PRECISIONS]
    return found


def _of_voc(metric: VOCMetric) -> list[str]:
    if metric.metric == 'mAP':
        return ['mAP', *(f'AP{int(threshold * 100):02d}' for threshold in metric.iou_thrs)]
    found = [f'recall@{number}@{threshold}' for number in metric.proposal_nums for threshold in metric.iou_thrs]
    return found + [f'AR@{number}' for number in metric.proposal_nums if len(metric.iou_thrs) > 1]
