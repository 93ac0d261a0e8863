"""The datasets of a detector's config: their files, images and boxes, and the file that scores are computed against."""

import contextlib
import copy
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, EVALUATOR

from luminet_det import annotation_file, measured
from luminet_det.configured_metrics import configured_metrics
from luminet_det.dataset_config import annotation_path, config_sources, dataset_class
from luminet_det.doctor.findings import FAIL, OK, WARN, Finding, Unusable
from luminet_det.loaded_images import LoadedImages, sources
from luminet_det.training_set import explanation
from luminet_det.unread_annotations import nearest

LOADERS = ('train_dataloader', 'val_dataloader')


def check_file(place: str, settings: dict) -> Iterator[Finding]:
    """Whether an annotation file is there and sound.

    Args:
        place: The dataset's place in the config.
        settings: The config of a dataset without wrappers.
    """
    path = Path(annotation_path(settings))
    if '://' in str(settings.get('data_root')) or '://' in str(settings.get('ann_file')):
        yield Finding('annotations', WARN, f'{place}: {path} is on a server and was not checked')
        return
    if not path.is_file():
        raise Unusable(
            f'{place}: there is no annotation file {path}{nearest(path)}', f'{place}.data_root or {place}.ann_file'
        )
    if path.suffix != '.json':
        yield Finding('annotations', OK, f'{path} is there')
        return
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise Unusable(
            f'{place}: {path} is not valid JSON: {error}', f'Write it again, or change {place}.ann_file.'
        ) from error
    if not _is_coco(settings):
        yield Finding('annotations', OK, f'{path} is JSON')
        return
    faults = annotation_file.faults(content)
    for fault in faults:
        yield Finding('annotations', FAIL if fault.fatal else WARN, f'{path}: {fault.what}', fault.change)
    if not any(fault.fatal for fault in faults):
        counts = {key: len(content.get(key, ())) for key in ('images', 'annotations', 'categories')}
        listed = ', '.join(f'{number} {noun}' for noun, number in counts.items())
        yield Finding('annotations', OK, f'{path}: {listed}')


def _is_coco(settings: dict) -> bool:
    """Whether a dataset reads its file as COCO boxes, unlike LVIS and panoptic segmentation."""
    from mmdet.datasets import CocoDataset, LVISV05Dataset

    kind = dataset_class(settings)
    if not isinstance(kind, type) or not issubclass(kind, CocoDataset):
        return False
    return kind.COCOAPI is CocoDataset.COCOAPI and not issubclass(kind, LVISV05Dataset)


def check_folder(place: str, settings: dict) -> Iterator[Finding]:
    """Whether the folder of the images is there, before thousands of images are found missing."""
    prefix = settings.get('data_prefix') or {}
    for name in ('img', 'img_path'):
        if name in prefix and '://' not in str(settings.get('data_root')):
            folder = Path(settings.get('data_root') or '') / prefix[name]
            if not folder.is_dir():
                raise Unusable(
                    f'{place}: there is no folder of images {folder}{nearest(folder)}', f'{place}.data_prefix.{name}'
                )
    yield from ()


def build(place: str, loader: dict) -> Any:
    """The dataset of a loader's config, with all its files read."""
    try:
        dataset = DATASETS.build(loader['dataset'])
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except ValueError as error:
        # The error for an empty list in mmengine.
        if 'at least one array' not in str(error):
            raise
        found, _, change = explanation(place, loader).rpartition('\n')
        raise Unusable(found, change) from error
    return dataset


def check_images(place: str, dataset: Any) -> Iterator[Finding]:
    """Whether the images that are left after the filters are there, and their boxes can be learned."""
    for source in sources(dataset):
        loaded = LoadedImages.of(source)
        if loaded is None:
            yield Finding('images', WARN, f'{place}: {type(source).__name__} has no list of images to check')
            continue
        faults = loaded.faults(len(source.metainfo.get('classes') or ()))
        for fault in faults:
            yield Finding('images', FAIL if fault.fatal else WARN, f'{place}: {fault.what}', fault.change)
        if not faults:
            where = '' if loaded.local else ', on a server and not checked'
            yield Finding('images', OK, f'{place}: {len(loaded.paths)} images, {len(loaded.boxes)} boxes{where}')


def check_evaluator(cfg: Config) -> Iterator[Finding]:
    """Whether the validation is scored against the file that it reads."""
    metrics = configured_metrics(cfg.get('val_evaluator'), 'val_evaluator')
    read = {
        os.path.normpath(annotation_path(s))
        for _, s in config_sources(cfg.val_dataloader.get('dataset'), 'val_dataloader.dataset')
    }
    for place, metric in metrics.items():
        path = metric.get('ann_file')
        if not path or '://' in path:
            continue
        if not Path(path).is_file():
            raise Unusable(f'there is no annotation file {path}{nearest(Path(path))}', f'{place}.ann_file')
        if os.path.normpath(path) not in read:
            yield Finding(
                'evaluator',
                WARN,
                f'scores are computed against {path}, but the images are those of {", ".join(sorted(read))}',
                f'{place}.ann_file',
            )
            return
    yield Finding('evaluator', OK, ', '.join(str(metric.get('type')) for metric in metrics.values()) or 'none')


def check_measured(cfg: Config) -> Iterator[Finding]:
    """Whether the evaluator measures the metric by which an epoch is chosen."""
    if not (setting := copy.deepcopy(cfg.get('val_evaluator'))):
        return
    metrics = setting if isinstance(setting, dict) and 'metrics' in setting else dict(metrics=setting)
    # pycocotools prints while it reads.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = EVALUATOR.build(dict(type='Evaluator') | metrics)
    if found := measured.unmeasured(cfg, evaluator):
        place, what = found
        yield Finding('evaluator', FAIL, what, f'{place}, or val_evaluator')


def image_paths(dataset: Any) -> list[str]:
    """Files of all images of a dataset, including those of datasets that it wraps."""
    loaded = (LoadedImages.of(source) for source in sources(dataset))
    return [os.path.normpath(path) for images in loaded if images for path in images.paths]
