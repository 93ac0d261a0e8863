"""Annotation files that a run cannot read: which of them, and the line of the config to change."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from luminet_det.configured_metrics import configured_metrics
from luminet_det.dataset_config import annotation_path, config_sources

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
EVALUATORS = ('val_evaluator', 'test_evaluator')


def guard(runner: Runner) -> None:
    """Have `runner` say what to change if an annotation file is missing (FileNotFoundError) or cut short (ValueError).

    Otherwise the error is that of `open` or `json`, which does not name the config's line, nor, for `json`, the file.
    """
    runner.build_dataloader = _explained(runner.build_dataloader, runner, LOADERS, _of_loader)
    runner.build_evaluator = _explained(runner.build_evaluator, runner, EVALUATORS, _of_evaluator)


def nearest(path: Path) -> str:
    """The nearest folder above the path that exists, for messages."""
    parent = next((p for p in path.parents if p.is_dir()), None)
    return f' (nearest folder that exists: {parent.resolve()})' if parent else ''


def place_of(runner: Runner, setting: Any, names: tuple[str, ...]) -> str | None:
    """The name under which the config has this setting; the first where several are equal."""
    return next((name for name in names if runner.cfg.get(name) == setting), None)


def _explained(build: Callable, runner: Runner, names: tuple[str, ...], files: Callable) -> Callable:
    @wraps(build)
    def explained(setting: Any, *args: Any, **kwargs: Any) -> Any:
        place = place_of(runner, setting, names) or names[0].rpartition('_')[2]
        try:
            return build(setting, *args, **kwargs)
        except (OSError, json.JSONDecodeError) as error:
            for path, change in files(place, setting):
                if isinstance(error, OSError) and not path.exists():
                    raise FileNotFoundError(
                        f'There is no annotation file {path}{nearest(path)}. Change {change}.'
                    ) from error
                if isinstance(error, ValueError) and not _is_json(path):
                    raise ValueError(
                        f'{path} is cut short or not JSON: {error}. Write it again, or change {change}.'
                    ) from error
            raise

    return explained


def _of_loader(place: str, loader: Any) -> Iterator[tuple[Path, str]]:
    for where, dataset in config_sources(
        loader.get('dataset') if isinstance(loader, Mapping) else None, f'{place}.dataset'
    ):
        if dataset.get('ann_file'):
            yield Path(annotation_path(dataset)), f'{where}.data_root or {where}.ann_file'


def _of_evaluator(place: str, evaluator: Any) -> Iterator[tuple[Path, str]]:
    for where, metric in configured_metrics(evaluator, place).items():
        if metric.get('ann_file'):
            yield Path(metric['ann_file']), f'{where}.ann_file'


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return False
    return True
