"""Tiny-ImageNet in its original layout."""

from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension

from luminet_det.registry import DATASETS

from . import folder
from .images import LabelledImages
from .missing import MissingData
from .sources import SHOWN, FileImages


@DATASETS.register_module()
class TinyImageNet(LabelledImages):
    """Tiny-ImageNet: 200 synsets, 500 training and 50 validation images each, of 64 x 64 pixels.

    `data_root` is the folder that holds wnids.txt. Labels are the indices of the synsets in alphabetical order; class
    names come from words.txt if it exists. A validation split that was sorted into folders, val/<wnid>/**/*.JPEG, is
    read as well. The test split has no published labels. All settings are those of `LabelledImages`.
    """

    NAME, SPLITS = 'Tiny-ImageNet', ('train', 'val')
    HOMEPAGE = 'http://cs231n.stanford.edu/tiny-imagenet-200.zip'
    ANNOTATIONS = 'val_annotations.txt'
    LAYOUTS = {
        'the original layout': 'wnids.txt\n'
        "words.txt                       (optional: the classes' names)\n"
        'train/<wnid>/images/*.JPEG\n'
        'val/images/*.JPEG\n'
        'val/val_annotations.txt'
    }

    def load(self) -> FileImages:
        root = self.data_root
        if not (root / 'wnids.txt').is_file() and (root / 'tiny-imagenet-200').is_dir():
            root = root / 'tiny-imagenet-200'
        place = root / self.split
        if lacking := [path for path in (root / 'wnids.txt', place) if not path.exists()]:
            missing = f'{lacking[0]} is not there' if self.data_root.is_dir() else ''
            raise MissingData(self.NAME, self.data_root, self.HOMEPAGE, self.LAYOUTS, missing)
        wnids = tuple(sorted((root / 'wnids.txt').read_text(encoding='utf-8').split()))
        if (place / self.ANNOTATIONS).is_file():
            found = self._annotated(place, wnids)
        elif self.split == 'val' and (place / 'images').is_dir():
            lacking = f'{place / self.ANNOTATIONS} is not there'
            raise MissingData(self.NAME, self.data_root, self.HOMEPAGE, self.LAYOUTS, lacking)
        else:
            found = folder.read(place, wnids)
        found.classes = _names(root / 'words.txt', wnids)
        return found

    def _annotated(self, place: Path, wnids: tuple[str, ...]) -> FileImages:
        """Images of a split whose classes a file lists: name, synset and a box, separated by tabs."""
        path = place / self.ANNOTATIONS
        places = {wnid: i for i, wnid in enumerate(wnids)}
        rows = [line.split('\t') for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
        if wrong := [row for row in rows if len(row) < 2 or row[1] not in places]:
            shown = '; '.join(repr('\t'.join(row)) for row in wrong[:SHOWN])
            raise ValueError(
                f'{path}: {len(wrong)} of {len(rows)} lines have no synset of wnids.txt in their second column: {shown}'
            )
        listed = {row[0] for row in rows}
        if unlisted := sorted({file.name for file in (place / 'images').iterdir() if _is_image(file)} - listed):
            raise ValueError(
                f'{path} lists {len(listed)} images, and {place / "images"} holds {len(unlisted)} more: '
                f'{", ".join(unlisted[:SHOWN])}. Fetch the file again, or remove these images.'
            )
        labels = np.array([places[row[1]] for row in rows], dtype=np.int64)
        return FileImages([str(place / 'images' / row[0]) for row in rows], labels, wnids, str(place))


def _is_image(file: Path) -> bool:
    return has_file_allowed_extension(file.name, IMG_EXTENSIONS)


def _names(words: Path, wnids: tuple[str, ...]) -> tuple[str, ...]:
    """The first name of each synset; its id where words.txt has none."""
    if not words.is_file():
        return wnids
    named = dict(line.split('\t', 1) for line in words.read_text(encoding='utf-8').splitlines() if '\t' in line)
    return folder.distinct([named[wnid].split(',')[0].strip() if wnid in named else wnid for wnid in wnids], wnids)
