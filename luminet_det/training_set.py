"""Checks the datasets of a run: an empty or faulty one ends it before the first step, with an error that says why."""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, DataLoader

from luminet_det import annotation_file, category_order
from luminet_det.annotation_file import Fault
from luminet_det.dataset_config import annotation_path, class_names, config_sources
from luminet_det.detection.pixels_in_pipeline import NORMALISED, normalises
from luminet_det.loaded_images import LoadedImages, sources
from luminet_det.unread_annotations import LOADERS, place_of
from luminet_det.unwrapped import unwrapped
from luminet_det.validated_classes import ValidatedClasses


def guard(runner: Runner) -> None:
    """Have `runner` refuse datasets that would stop training at some later step, or spoil it.

    It refuses an empty dataset, or one of which `drop_last` leaves no batch; missing images; a COCO file that mmdet
    cannot read or that lists a category twice; boxes that no loss can use; other classes in validation than in
    training; and, if the run distils, class names that do not fit the annotation file. Without distillation, such names
    cause only a warning, as do boxes that mmdet leaves out.

    By itself, mmengine stops at an empty dataset with numpy's "need at least one array to concatenate" or, with an
    infinite sampler and loader processes, searches for a first index forever; the other faults end in an index error, a
    NaN or a missing file some thousand steps later.
    """
    build, classes = runner.build_dataloader, ValidatedClasses()

    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> DataLoader:
        place = place_of(runner, dataloader, LOADERS) or 'dataloader'
        with annotation_file.watched() as files:
            try:
                loader = build(dataloader, *args, **kwargs)
            except Exception as error:
                _report(place, {path: content.faults for path, content in files.items()}, cause=error)
                if isinstance(error, ValueError) and 'at least one array' in str(error):
                    raise ValueError(explanation(place, dataloader)) from error
                raise
        if hasattr(loader.dataset, '__len__') and len(loader.dataset) == 0:
            raise ValueError(explanation(place, dataloader))
        # An InfiniteSampler fills a batch with images of the next round.
        finite = isinstance(loader.batch_sampler, BatchSampler) and not isinstance(loader.sampler, InfiniteSampler)
        if finite and loader.drop_last and len(loader.batch_sampler) == 0:
            raise ValueError(
                f'{place} has no batch: drop_last leaves nothing of {len(loader.sampler)} images in batches of '
                f'{loader.batch_size}. Set {place}.batch_size to at most {len(loader.sampler)}, or drop_last=False.'
            )
        found = {path: content.faults for path, content in files.items()}
        for source in sources(loader.dataset):
            if loaded := LoadedImages.of(source):
                num_classes = len(source.metainfo.get('classes') or ())
                found[source.ann_file] = found.get(source.ann_file, []) + loaded.faults(num_classes)
        _report(place, found)
        classes.see(place, loader.dataset)
        if place == 'train_dataloader':
            runner.message_hub.runtime_info[NORMALISED] = normalises(loader.dataset)
            try:
                category_order.check(loader.dataset, {path: content.categories for path, content in files.items()})
            except ValueError as error:
                if _distils(runner):
                    raise
                told = f'{error} The trained model finds the right objects but names them wrongly, also as a teacher.'
                print_log(told, logger='current', level=logging.WARNING)
        return loader

    runner.build_dataloader = build_dataloader


def _report(place: str, faults: Mapping[str, list[Fault]], cause: Exception | None = None) -> None:
    """Warn of the faults of each file, or raise ValueError if one of them is fatal."""
    for path, of_file in faults.items():
        if fatal := [f'{fault.what}. {fault.change}' for fault in of_file if fault.fatal]:
            raise ValueError(f'The dataset of {place}, {path}: ' + '\n'.join(fatal)) from cause
        for fault in of_file:
            print_log(f'{place}, {path}: {fault.what}. {fault.change}', logger='current', level=logging.WARNING)


def _distils(runner: Runner) -> bool:
    model = getattr(runner, 'model', None)
    # A FlexibleRunner builds its model after the data.
    if isinstance(model, Mapping):
        return bool(model.get('distill'))
    return bool(getattr(unwrapped(model), 'terms', None))


def explanation(place: str, dataloader: Any) -> str:
    """Why the dataset of a loader's config is empty; `place` is the loader's name there."""
    lines = [f'The dataset of {place} is empty: no image is left after loading and filtering.']
    if isinstance(dataloader, Mapping):
        for where, dataset in config_sources(dataloader.get('dataset'), f'{place}.dataset'):
            lines += _facts(where, dataset)
    return '\n'.join(lines)


def _facts(place: str, dataset: Mapping) -> Iterator[str]:
    path = annotation_path(dataset)
    classes, filters = class_names(dataset), dataset.get('filter_cfg')
    yield f'  ann_file    {path}'
    found = _read(path)
    if found:
        images, objects, categories = len(found['images']), len(found['annotations']), _names(found)
        yield f'              {images} images, {objects} objects, categories {_some(categories)}'
    yield f'  metainfo    classes {_some(classes)}'
    yield f'  filter_cfg  {dict(filters) if filters else None}'
    if not found:
        yield f'Check {place}.data_root and {place}.ann_file, and that metainfo names classes as that file does.'
    elif not images:
        yield f'The file lists no images: change {place}.ann_file.'
    elif not objects:
        yield f'The file lists no objects: change {place}.ann_file, or keep empty images by {place}.filter_cfg=None.'
    elif not set(classes) & set(categories):
        yield f'No class is a category of that file. Set {place}.metainfo = dict(classes={tuple(categories)!r}).'
    else:
        yield f'{place}.filter_cfg drops every image: lower its min_size, or set filter_cfg=None.'


def _read(path: str) -> dict | None:
    """The annotations if they are a local COCO file."""
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
        return found if found.keys() >= {'images', 'annotations', 'categories'} else None
    except (OSError, ValueError, AttributeError):
        return None


def _names(found: dict) -> list[str]:
    return [category['name'] for category in found['categories']]


def _some(names: list[str]) -> str:
    return ', '.join(map(repr, names[:6])) + (f', ... ({len(names)} in all)' if len(names) > 6 else '') or 'none'
