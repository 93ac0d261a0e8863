"""Class names that do not fit the annotation file: a teacher matched by name would teach other classes."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import mmengine


def check(dataset: Any) -> None:
    """Compare `metainfo['classes']` of COCO-format sets with the categories that their labels count.

    mmdet's `CocoDataset` numbers the labels in the order of the annotation file and leaves out names that are no
    category there, whatever order `metainfo` has. Plain training only shows wrong names then.

    Args:
        dataset: A data set or a wrapper of some.

    Raises:
        ValueError: The names do not fit; the message has the line to write.
    """
    for source in _sources(dataset):
        wanted = list(source.metainfo.get('classes') or ())
        known = [category['name'] for category in mmengine.load(source.ann_file)['categories']]
        if finding := _finding(wanted, known):
            raise ValueError(f'The classes of metainfo do not fit {source.ann_file}. {finding}')


def _finding(wanted: list[str], known: list[str]) -> str | None:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        near = [match for name in unknown for match in get_close_matches(name, known, n=1)]
        hint = f' Did you mean {", ".join(near)}?' if near else ''
        return f'No category of it: {", ".join(unknown)}.{hint} Its categories: {", ".join(known[:20])}.'
    labelled = [name for name in known if name in wanted]
    if labelled != wanted:
        return f'Labels follow the order of its categories; write metainfo=dict(classes={tuple(labelled)!r}).'
    return None


def _sources(dataset: Any) -> Iterator[Any]:
    """The data sets that read COCO files, inside any wrappers."""
    for part in getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]:
        if part is not None:
            yield from _sources(part)
    if hasattr(dataset, 'cat2label') and str(getattr(dataset, 'ann_file', '')).endswith('.json'):
        yield dataset
