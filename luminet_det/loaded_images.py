"""Checks what a dataset is about to serve: missing images, and boxes that no loss can use."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from luminet_det.annotation_file import SHOWN, Fault


def sources(dataset: Any) -> Iterator[Any]:
    """The datasets that read files, inside any wrappers."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner == [None]:
        yield dataset
        return
    for part in inner:
        yield from sources(part)


def transforms(dataset: Any) -> Iterator[Any]:
    """All transforms in the pipelines of a dataset and of the datasets inside it, including nested transforms."""
    waiting, known = [dataset], set()
    while waiting:
        part = waiting.pop()
        if id(part) in known:
            continue
        known.add(id(part))
        inner = [getattr(part, name, None) for name in ('pipeline', 'dataset', 'datasets', 'transforms')]
        for each in inner:
            waiting += each if isinstance(each, list | tuple) else [each] * (each is not None)
        if isinstance(part, BaseTransform):
            yield part


@dataclass(frozen=True)
class LoadedImages:
    """The images of one dataset after its filters, and the boxes in them that are not to be ignored.

    Attributes:
        paths: File of each image.
        boxes: (M, 4) corners x1, y1, x2, y2 in pixels of all boxes.
        labels: (M,) class of each box.
        images: (M,) index of its image.
        local: Whether the images are read from this machine's files.
        training: Whether the boxes are learned from, not only scored against.
    """

    paths: list[str]
    boxes: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    local: bool
    training: bool

    @classmethod
    def of(cls, dataset: Any) -> 'LoadedImages | None':
        """The images of a dataset without wrappers; None if it is not one of mmdet's, or has no files or boxes."""
        from mmdet.datasets import BaseDetDataset, BaseVideoDataset

        if not isinstance(dataset, BaseDetDataset) or isinstance(dataset, BaseVideoDataset):
            return None
        paths, boxes, labels, images = [], [], [], []
        for i in range(len(dataset)):
            info = dataset.get_data_info(i)
            instances = [each for each in info.get('instances', ()) if not each.get('ignore_flag')]
            # Custom transforms may read images from elsewhere, and boxes of another kind.
            if 'img_path' not in info or any(len(each.get('bbox', ())) != 4 for each in instances):
                return None
            paths.append(info['img_path'])
            for instance in instances:
                boxes.append(instance['bbox'])
                labels.append(instance.get('bbox_label', 0))
                images.append(i)
        return cls(
            paths,
            np.array(boxes, dtype=float).reshape(-1, 4),
            np.array(labels, dtype=int),
            np.array(images, dtype=int),
            _reads_local_files(dataset),
            training=not dataset.test_mode,
        )

    def faults(self, num_classes: int) -> list[Fault]:
        """The faults that would stop training at some later step."""
        x1, y1, x2, y2 = self.boxes.T
        broken = ~np.isfinite(self.boxes).all(1) | (x2 <= x1) | (y2 <= y1)
        # Open-vocabulary datasets have a phrase for each box instead of classes.
        foreign = ((self.labels < 0) | (self.labels >= num_classes)) & bool(num_classes)
        found = []
        if missing := self.missing():
            what = f'{len(missing)} of {len(self.paths)} images are not there: {_some(missing)}'
            found.append(Fault(what, 'Correct data_root or data_prefix, or copy the files.', fatal=True))
        if broken.any():
            rows = np.flatnonzero(broken)
            named = [f'{self.boxes[i].tolist()} in {self.paths[self.images[i]]}' for i in rows[: SHOWN + 1]]
            what = f'{len(rows)} of {len(broken)} boxes are empty, negative or not finite (x1, y1, x2, y2)'
            found.append(Fault(f'{what}: {_some(named)}', 'Correct or remove them.', fatal=self.training))
        if foreign.any():
            what = f'{int(foreign.sum())} boxes have a label beyond the {num_classes} classes of metainfo'
            found.append(Fault(what, 'Correct metainfo=dict(classes=...) of the dataset.', fatal=True))
        return found

    def missing(self) -> list[str]:
        """Images that are not on the disk; lists each folder once instead of looking up every file."""
        if not self.local:
            return []
        folders: dict[str, set[str]] = {}
        for folder in {os.path.dirname(path) for path in self.paths}:
            try:
                folders[folder] = set(os.listdir(folder or '.'))
            except OSError:
                folders[folder] = set()
        unlisted = [p for p in self.paths if os.path.basename(p) not in folders[os.path.dirname(p)]]
        # A file system that ignores case finds more than a listing shows.
        return [path for path in unlisted if not os.path.exists(path)]


def _reads_local_files(dataset: Any) -> bool:
    from mmcv.transforms import LoadImageFromFile

    readers = [t for t in dataset.pipeline.transforms if isinstance(t, LoadImageFromFile)]
    # A derived class may read from an archive.
    usual = all(type(reader).transform is LoadImageFromFile.transform for reader in readers)
    backends = [(reader.backend_args or {}).get('backend', 'local') for reader in readers]
    paths = '' if len(dataset) == 0 else dataset.get_data_info(0)['img_path']
    on_disk = set(backends) <= {'local', 'disk', 'LocalBackend', 'HardDiskBackend'} and '://' not in paths
    return bool(readers) and usual and on_disk


def _some(names: Sequence[str]) -> str:
    return '; '.join(names[:SHOWN]) + ('; ...' if len(names) > SHOWN else '')
