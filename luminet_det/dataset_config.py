"""The datasets that a config names."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.registry import DATASETS

from luminet_det.class_name import named_class


def config_sources(dataset: Any, place: str) -> Iterator[tuple[str, Mapping]]:
    """The configs of datasets that read files, inside any wrappers, each with its place in the config."""
    if not isinstance(dataset, Mapping):
        return
    if 'dataset' in dataset:
        yield from config_sources(dataset['dataset'], f'{place}.dataset')
    elif 'datasets' in dataset:
        for i, inner in enumerate(dataset['datasets']):
            yield from config_sources(inner, f'{place}.datasets.{i}')
    else:
        yield place, dataset


def annotation_path(dataset: Mapping) -> str:
    """Where the annotation file of a dataset without wrappers is, or its folder if it names none."""
    return os.path.join(dataset.get('data_root') or '', dataset.get('ann_file') or '')


def common_classes(metainfo: Any) -> tuple[str, ...] | None:
    """The classes of a dataset's `metainfo`, which for mmdet's ConcatDataset is a list if its parts differ.

    Raises:
        ValueError: The parts name different classes.
    """
    if not isinstance(metainfo, (list, tuple)):
        return (metainfo or {}).get('classes')
    named = [None if (classes := part.get('classes')) is None else tuple(classes) for part in metainfo]
    if any(classes != named[0] for classes in named):
        listed = '\n'.join(f'  {", ".join(classes or ["none"])}' for classes in named)
        raise ValueError(f'The parts of a ConcatDataset name different classes; give all the same metainfo:\n{listed}')
    return named[0]


def dataset_class(dataset: Mapping) -> Any:
    """The class that is the `type` of a dataset's config; None if it is unknown."""
    return named_class(DATASETS, dataset.get('type'))


def class_names(dataset: Mapping) -> list[str]:
    """The classes in the config, or else the defaults of the dataset's class."""
    classes = (dataset.get('metainfo') or {}).get('classes')
    if classes is None:
        classes = getattr(dataset_class(dataset), 'METAINFO', {}).get('classes', ())
    return [classes] if isinstance(classes, str) else list(classes)
