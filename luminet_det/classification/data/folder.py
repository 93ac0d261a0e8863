"""Image folders: a folder for each class."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

from luminet_det.registry import DATASETS

from .images import LabelledImages
from .missing import MissingData
from .sources import SHOWN, FileImages

OTHER_IMAGES = ('.avif', '.gif', '.heic', '.heif', '.jfif', '.jp2', '.jpe', '.jxl', '.raw', '.svg', '.tga')


def class_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in `folder`, in the order of their labels; empty if it is not there."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith('.')))


def distinct(names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """The names, followed by their class's id where a name occurs twice: classes are matched by name."""
    counts = Counter(names)
    return tuple(f'{name} ({own})' if counts[name] > 1 else name for name, own in zip(names, ids, strict=True))


def read(folder: Path, classes: tuple[str, ...]) -> FileImages:
    """The images of a tree <class>/**/*.png (or another format) in `folder`.

    Raises:
        ValueError: The tree has folders that are not in `classes`.
    """
    if foreign := [name for name in class_folders(folder) if name not in classes]:
        shown = ', '.join(foreign[:SHOWN]) + (', ...' if len(foreign) > SHOWN else '')
        raise ValueError(
            f'{folder} has {len(foreign)} folders that are not among the {len(classes)} classes: {shown}. Remove or '
            'rename them; the classes are the folders of the training split.'
        )
    places = {name: i for i, name in enumerate(classes)}
    left_out: Counter[str] = Counter()

    def is_image(path: str) -> bool:
        if os.path.basename(path).startswith('.'):
            return False  # a hidden file, as macOS writes for each file on a disk of another system
        ending = os.path.splitext(path)[1].lower()
        if ending in OTHER_IMAGES:
            left_out[ending] += 1
        return ending in IMG_EXTENSIONS

    samples = make_dataset(str(folder), places, is_valid_file=is_image, allow_empty=True)
    paths = [path for path, _ in samples]
    if left_out:
        endings = ', '.join(f'{count} {ending}' for ending, count in sorted(left_out.items()))
        print_log(
            f'{folder}: images in unsupported formats are left out: {endings}. Convert them to one of '
            f'{", ".join(IMG_EXTENSIONS)}.',
            logger='current',
            level=logging.WARNING,
        )
    return FileImages(paths, np.array([label for _, label in samples], dtype=np.int64), classes, str(folder))


@DATASETS.register_module()
class ImageFolder(LabelledImages):
    """Any image folder: <split>/<class>/*.png, or <class>/*.png without splits.

    The classes are the folders of the training split if there is one, in alphabetical order, so `test` has the same
    labels. All settings are those of `LabelledImages`; `split` is the name of a folder, or None for a folder without
    splits.
    """

    NAME = 'image folder'
    SPLITS = ()

    def load(self) -> FileImages:
        folder = self.data_root / self.split if self.split else self.data_root
        if not class_folders(folder):
            others = [name for name in class_folders(self.data_root) if class_folders(self.data_root / name)]
            there = f'; to use one of these, set split to {" or ".join(map(repr, others))}' if others else ''
            raise MissingData(
                f'An image folder (split={self.split!r})',
                self.data_root,
                'wherever it was made',
                {
                    'with splits': f'{self.split or "train"}/<class>/*.png',
                    'without, for split=None (val_fraction holds images out)': '<class>/*.png  (or .jpg, .webp, ...)',
                },
                lacking=f'it holds {", ".join(others)}{there}' if others and self.split else '',
            )
        classes = class_folders(self.data_root / 'train') if self.split else ()
        return read(folder, classes or class_folders(folder))
