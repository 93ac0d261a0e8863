"""Checks that class names fit the annotation file: else a teacher matched by name teaches the wrong classes."""

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import mmengine
from mmengine.registry import DATASETS

from luminet_det.class_name import named_class
from luminet_det.dataset_config import annotation_path, class_names, config_sources
from luminet_det.loaded_images import sources


def check(dataset: Any, categories: Mapping[str, Sequence[str]] | None = None) -> None:
    """Compare `metainfo['classes']` of COCO-format datasets with the categories by which labels are numbered.

    mmdet's `CocoDataset` numbers the labels in the order of the annotation file (its Objects365 datasets by category
    id) whatever the order of `metainfo`, and leaves out names that are not categories of the file. Without
    distillation, only the names that are shown are wrong.

    Args:
        dataset: A dataset, or a wrapper around some.
        categories: Names of the categories of files that have been read already, by path.

    Raises:
        ValueError: The names do not fit; the message has the line to write.
    """
    for source in sources(dataset):
        if not (hasattr(source, 'cat2label') and str(getattr(source, 'ann_file', '')).endswith('.json')):
            continue
        wanted = source.metainfo.get('classes') or ()
        if isinstance(wanted, str):
            raise ValueError(
                f'metainfo.classes is a single string, {wanted!r}, whose letters would be the classes; write '
                f'metainfo=dict(classes=({wanted!r},)).'
            )
        known = (categories or {}).get(source.ann_file) if _order_of(type(source)) is _as_listed else None
        if known is None:
            # A dataset with another numbering has its own table.
            place, listed = source.cat2label, mmengine.load(source.ann_file)['categories']
            known = [each['name'] for each in sorted(listed, key=lambda each: place.get(each['id'], len(listed)))]
        if finding := misfit(wanted, known):
            raise ValueError(f'The classes of metainfo do not fit {source.ann_file}. {finding}')


def check_trained(names: Sequence[str], dataset: Mapping) -> None:
    """Compare the class names that come with a checkpoint with the COCO file that its config trains on.

    Not checked are the default names of a dataset class, such as COCO's, missing files, and custom dataset classes,
    whose numbering is unknown.

    Args:
        names: The checkpoint's class names, which it claims to be in the order of its logits.
        dataset: The config of the training set, possibly a wrapper.

    Raises:
        ValueError: The logits follow the file, and the file has these names in another order.
    """
    for _, source in config_sources(dataset, ''):
        path, order = annotation_path(source), _order_of(named_class(DATASETS, source.get('type')))
        if (
            order is None
            or list(names) == class_names({'type': source.get('type')})
            or not (path.endswith('.json') and os.path.isfile(path))
        ):
            continue
        known = [category['name'] for category in order(mmengine.load(path).get('categories', ()))]
        labelled = [name for name in known if name in names]
        if labelled != list(names) and set(labelled) == set(names):
            raise ValueError(
                f'The classes of the teacher do not fit {path}, on which it was trained. Its labels follow the order '
                f'of the categories there; write teacher=dict(config=..., checkpoint=..., classes={labelled!r}).'
            )


def _order_of(kind: type | None) -> Callable[[Sequence[Mapping]], Sequence[Mapping]] | None:
    """How a dataset class orders a file's categories to number its labels; None if that is unknown."""
    from mmdet.datasets import CocoDataset, Objects365V1Dataset, Objects365V2Dataset

    orders = {CocoDataset: _as_listed, Objects365V1Dataset: _by_id, Objects365V2Dataset: _by_id}
    reads = getattr(kind, 'load_data_list', None)
    return next((order for known, order in orders.items() if reads is known.load_data_list), None)


def _as_listed(categories: Sequence[Mapping]) -> Sequence[Mapping]:
    return categories


def _by_id(categories: Sequence[Mapping]) -> Sequence[Mapping]:
    return sorted(categories, key=lambda category: category['id'])


def misfit(wanted: Sequence[str], known: Sequence[str]) -> str | None:
    """What does not fit between classes and a COCO file's categories, with the line to write; None if they fit."""
    wanted, known = list(wanted), list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        near = [match for name in unknown for match in get_close_matches(name, known, n=1)]
        hint = f' Did you mean {", ".join(near)}?' if near else ''
        return f'It has no category {", ".join(unknown)}.{hint} Its categories: {", ".join(known[:20])}.'
    labelled = [name for name in known if name in wanted]
    if labelled != wanted:
        return f'Labels follow the order of its categories; write metainfo=dict(classes={tuple(labelled)!r}).'
    return None
