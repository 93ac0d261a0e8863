"""Checks a COCO annotation file for faults at which mmdet would stop, or which it would silently ignore."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

SHOWN = 3
IMAGE_KEYS = ('id', 'file_name', 'width', 'height')
ANNOTATION_KEYS = ('id', 'image_id', 'category_id', 'bbox', 'area')


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        what: How many of what, with the first few offenders.
        change: What to change.
        fatal: Whether training would stop or learn something wrong, rather than merely leave out the offenders.
    """

    what: str
    change: str
    fatal: bool


def faults(content: Any) -> list[Fault]:
    """The faults of a COCO file that matter to mmdet's `CocoDataset`.

    mmdet silently leaves out boxes that hold a NaN, are empty or negative, thinner than a pixel or outside their
    image, and those of unknown images and categories: these are not fatal.

    Args:
        content: The parsed JSON of the file.
    """
    lacking = [key for key in ('images', 'categories') if not isinstance(content, dict) or key not in content]
    if lacking:
        return [Fault(f'no list of {" and ".join(lacking)}', 'Name a COCO-format file in ann_file.', fatal=True)]
    found = [*_of_categories(content['categories']), *_of_images(content['images'])]
    annotations = content.get('annotations', [])
    malformed = _malformed(annotations)
    if malformed or any(fault.fatal for fault in found):
        return found + malformed
    return found + list(_of_boxes(annotations, content['images'], content['categories']))


@contextmanager
def watched() -> Iterator[dict[str, 'Contents']]:
    """Within the context, collect the `Contents` of all files that mmdet's COCO datasets read, by path.

    This avoids reading a file of several hundred megabytes twice. A fatal fault raises ValueError.
    """
    from mmdet.datasets import CocoDataset

    read: dict[str, Contents] = {}
    original = CocoDataset.COCOAPI

    class Watched(original):
        def __init__(self, annotation_file: str | None = None) -> None:
            self._path = str(annotation_file)
            super().__init__(annotation_file)

        def createIndex(self) -> None:
            # Before building the index, which already fails on entries without an id.
            read[self._path] = Contents.of(self.dataset)
            if any(fault.fatal for fault in read[self._path].faults):
                raise ValueError(f'{self._path} cannot be used')
            super().createIndex()

    CocoDataset.COCOAPI = Watched
    try:
        yield read
    finally:
        CocoDataset.COCOAPI = original


@dataclass(frozen=True)
class Contents:
    """What is kept of a COCO file: the names of its categories, and its faults."""

    categories: list[str]
    faults: list[Fault]

    @classmethod
    def of(cls, content: Any) -> 'Contents':
        found = faults(content)
        return cls([] if any(f.fatal for f in found) else [c['name'] for c in content['categories']], found)


def _of_categories(categories: Sequence[dict]) -> Iterator[Fault]:
    incomplete = [c for c in categories if not isinstance(c, dict) or not {'id', 'name'} <= c.keys()]
    if incomplete:
        yield Fault(
            f'{_count(incomplete, "category")} without id or name: {_first(incomplete, str)}', 'Add them.', fatal=True
        )
        return
    for key, other in (('name', 'id'), ('id', 'name')):
        repeated = [value for value, times in Counter(c[key] for c in categories).items() if times > 1]
        if repeated:

            def listed(value: Any, key: str = key, other: str = other) -> str:
                return f'{value!r} ({other} {", ".join(repr(c[other]) for c in categories if c[key] == value)})'

            yield Fault(
                f'{_count(repeated, f"category {key}")} used more than once: {_first(repeated, listed)}',
                'Give each category one id and one name, and its annotations that id: mmdet would count more or '
                'other classes than the model has.',
                fatal=True,
            )


def _of_images(images: Sequence[dict]) -> Iterator[Fault]:
    incomplete = [image for image in images if not isinstance(image, dict) or not all(k in image for k in IMAGE_KEYS)]
    if incomplete:
        yield Fault(
            f'{_count(incomplete, "image")} without {", ".join(IMAGE_KEYS)}: {_first(incomplete, str)}',
            'Add what is missing.',
            fatal=True,
        )
        return
    repeated = [value for value, times in Counter(image['id'] for image in images).items() if times > 1]
    if repeated:
        yield Fault(
            f'{_count(repeated, "image id")} used more than once: {_first(repeated, repr)}',
            'Renumber the images: mmdet keeps the last image of each id and gives it the boxes of all of them.',
            fatal=False,
        )


def _malformed(annotations: Sequence[dict]) -> list[Fault]:
    """Annotations that mmdet cannot read at all, and infinite boxes, which would reach the loss unchanged."""
    used = _used(annotations)
    bad = [a for a in used if not isinstance(a, dict) or not all(k in a for k in ANNOTATION_KEYS)]
    if bad:
        keys = ', '.join(ANNOTATION_KEYS)
        return [Fault(f'{_count(bad, "annotation")} without {keys}: {_first(bad, str)}', 'Add them.', fatal=True)]
    if _boxes(used) is None or _areas(used) is None:
        bad = [a for a in used if not _is_box(a['bbox']) or not _is_number(a['area'])]
        what = f'{_count(bad, "annotation")} whose bbox is not four numbers, or whose area is not a number'
        return [Fault(f'{what}: {_first(bad, _named)}', 'Write bbox as [x, y, width, height].', fatal=True)]
    boxes = _boxes(used)
    endless = np.isinf(boxes).any(1) & ~np.isnan(boxes).any(1)
    if not endless.any():
        return []
    what = f'{_counted(endless.sum(), "box")} of infinite size or position: {_picked(used, endless)}'
    return [Fault(what, 'Correct or remove them.', fatal=True)]


def _of_boxes(annotations: Sequence[dict], images: Sequence[dict], categories: Sequence[dict]) -> Iterator[Fault]:
    """What mmdet leaves out of an otherwise readable file; each annotation is counted once."""
    used = _used(annotations)
    sizes = {image['id']: (image['width'], image['height']) for image in images}
    known = {category['id'] for category in categories}
    boxes, areas = _boxes(used), _areas(used)
    limits = np.array([sizes.get(a['image_id'], (0, 0)) for a in used], dtype=float).reshape(-1, 2)
    (x, y, w, h), (width, height) = boxes.T, limits.T
    left = np.ones(len(used), dtype=bool)
    with np.errstate(invalid='ignore'):
        # Ordered so that the first that applies is the cause.
        kinds = (
            ('annotation', 'of an image that is not listed', [a['image_id'] not in sizes for a in used]),
            ('annotation', 'of a category that is not listed', [a['category_id'] not in known for a in used]),
            ('box', 'with a NaN', np.isnan(boxes).any(1)),
            ('box', 'with a negative width or height', (w < 0) | (h < 0)),
            ('box', 'of width or height 0', (w == 0) | (h == 0)),
            ('box', 'thinner than one pixel', (w < 1) | (h < 1)),
            ('box', 'outside the image', (x >= width) | (y >= height) | (x + w <= 0) | (y + h <= 0)),
            ('box', 'with an area of 0 or less', ~(areas > 0)),
        )
        for noun, kind, holds in kinds:
            holds = np.asarray(holds, dtype=bool) & left
            left &= ~holds
            if holds.any():
                yield Fault(
                    f'{_counted(holds.sum(), noun)} {kind}: {_picked(used, holds)}',
                    'Correct them, or leave them as they are: mmdet trains without them.',
                    fatal=False,
                )
        beyond = left & ((x < -1) | (y < -1) | (x + w > width + 1) | (y + h > height + 1))
    if beyond.any():
        yield Fault(
            f'{_counted(beyond.sum(), "box")} reaching out of the image: {_picked(used, beyond)}',
            'Check that bbox is [x, y, width, height], not two corners; mmdet cuts them off at the border.',
            fatal=False,
        )


def _used(annotations: Sequence[dict]) -> list[dict]:
    return [a for a in annotations if not (isinstance(a, dict) and a.get('ignore'))]


def _boxes(annotations: Sequence[dict]) -> np.ndarray | None:
    """All boxes (N, 4), or None if one is not a list of four numbers."""
    return _array([a['bbox'] for a in annotations], (len(annotations), 4))


def _areas(annotations: Sequence[dict]) -> np.ndarray | None:
    return _array([a['area'] for a in annotations], (len(annotations),))


def _array(values: list, shape: tuple[int, ...]) -> np.ndarray | None:
    if not values:
        return np.zeros(shape)
    try:
        array = np.array(values)
    except ValueError:
        return None
    return array.astype(float) if array.dtype.kind in 'iuf' and array.shape == shape else None


def _is_box(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 4 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _named(annotation: dict) -> str:
    return f'annotation {annotation["id"]} of image {annotation["image_id"]}, bbox {annotation["bbox"]}'


def _picked(annotations: Sequence[dict], which: np.ndarray) -> str:
    return _first([annotations[i] for i in np.flatnonzero(which)[: SHOWN + 1]], _named)


def _first(items: Sequence, name: Callable[[Any], str]) -> str:
    return _listed(map(name, items[:SHOWN]), len(items) > SHOWN)


def _listed(names: Iterable[str], more: bool) -> str:
    return '; '.join(names) + ('; ...' if more else '')


def _count(items: Sequence, noun: str) -> str:
    return _counted(len(items), noun)


def _counted(number: int, noun: str) -> str:
    plurals = {'box': 'boxes', 'category': 'categories'}
    return f'{number} {noun if number == 1 else plurals.get(noun, noun + "s")}'
