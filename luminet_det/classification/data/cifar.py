"""CIFAR-10 and CIFAR-100 from the official pickles, an image folder or an .npz file."""

from pathlib import Path

import numpy as np
from torchvision import datasets as torchvision_datasets

from luminet_det.registry import DATASETS

from . import folder, npz
from .cifar_names import CIFAR10_NAMES, CIFAR100_NAMES
from .download import once
from .images import LabelledImages
from .integrity import check_files
from .missing import MissingData
from .sources import ArrayImages, FileImages


class CIFAR(LabelledImages):
    """Base class of both datasets. It detects which of these layouts `data_root` has:

    - the official pickles, read by torchvision after a check of their checksums;
    - an image folder: train/<class>/*.png and test/<class>/*.png;
    - an .npz file, either in `data_root` or `data_root` itself: train_images uint8 (N, 32, 32, 3), train_labels (N,),
      test_images, test_labels, and optionally `classes`, the names; by default they are the official ones.

    All settings are those of `LabelledImages`.

    Raises:
        MissingData: `data_root` has none of these layouts.
        ValueError: A file is damaged.
    """

    OFFICIAL: type
    CLASSES: tuple[str, ...]
    HOMEPAGE = 'https://www.cs.toronto.edu/~kriz/cifar.html'

    def load(self) -> ArrayImages | FileImages:
        root, base = self.data_root, self.OFFICIAL.base_folder
        parent = root.parent if root.name == base else root
        if (parent / base).is_dir():
            return self._official(parent)
        if file := npz.find(root, self.split):
            return npz.read(file, self.split, self.CLASSES)
        if folder.class_folders(root / self.split):
            classes = folder.class_folders(root / 'train') or folder.class_folders(root / self.split)
            return folder.read(root / self.split, classes)
        if self.download:
            return self._official(parent)
        raise self._missing()

    def _official(self, root: Path) -> ArrayImages:
        kind = self.OFFICIAL
        meta = (kind.meta['filename'], kind.meta['md5'])
        if self.download:
            once(lambda: kind(str(root), train=self.split == 'train', download=True))
        else:
            lacking = check_files(self.NAME, root / kind.base_folder, [*kind.train_list, *kind.test_list, meta])
            if lacking:
                raise self._missing(f'{root / kind.base_folder} lacks {", ".join(lacking)}')
        found = kind(str(root), train=self.split == 'train')
        labels = np.array(found.targets, dtype=np.int64)
        return ArrayImages(found.data, labels, tuple(found.classes), f'{self.split} of {root / kind.base_folder}')

    def _missing(self, lacking: str = '') -> MissingData:
        kind = self.OFFICIAL
        files = [kind.meta['filename'], *(name for name, _ in (*kind.train_list, *kind.test_list))]
        layouts = {
            'the official pickles (python version)': '\n'.join(f'{kind.base_folder}/{name}' for name in files),
            'an image folder': 'train/<class>/*.png\ntest/<class>/*.png',
            'an .npz file': '<name>.npz  with train_images, train_labels, test_images, test_labels, optionally classes',
        }
        return MissingData(self.NAME, self.data_root, self.HOMEPAGE, layouts, lacking, downloads=True)


@DATASETS.register_module()
class CIFAR10(CIFAR):
    """CIFAR-10: 50 000 and 10 000 images of 32 x 32 pixels, 10 classes. Layouts and settings: see `CIFAR`."""

    NAME, CLASSES, OFFICIAL = 'CIFAR-10', CIFAR10_NAMES, torchvision_datasets.CIFAR10


@DATASETS.register_module()
class CIFAR100(CIFAR):
    """CIFAR-100: 50 000 and 10 000 images of 32 x 32 pixels, 100 fine classes. Layouts and settings: see `CIFAR`."""

    NAME, CLASSES, OFFICIAL = 'CIFAR-100', CIFAR100_NAMES, torchvision_datasets.CIFAR100
