"""STL-10 from its official binary files."""

import numpy as np
from torchvision import datasets as torchvision_datasets

from luminet_det.registry import DATASETS

from .download import once
from .images import LabelledImages
from .integrity import check_files
from .missing import MissingData
from .sources import ArrayImages


class _Labelled(torchvision_datasets.STL10):
    """torchvision's dataset without the unlabelled images, 2.6 GB that it would require and check."""

    train_list = torchvision_datasets.STL10.train_list[:2]


@DATASETS.register_module()
class STL10(LabelledImages):
    """STL-10: 5 000 training and 8 000 test images of 96 x 96 pixels, 10 classes, read by torchvision.

    All settings are those of `LabelledImages`. The unlabelled images are left out.
    """

    NAME, HOMEPAGE, OFFICIAL = 'STL-10', 'https://cs.stanford.edu/~acoates/stl10/', _Labelled

    def load(self) -> ArrayImages:
        kind, root = self.OFFICIAL, self.data_root
        root = root.parent if root.name == kind.base_folder else root
        place = root / kind.base_folder
        if self.download:
            once(lambda: kind(str(root), split=self.split, download=True))
        else:
            files = [(name, md5) for name, md5 in (*kind.train_list, *kind.test_list)]
            if lacking := check_files(self.NAME, place, files):
                drawing = '\n'.join(f'{kind.base_folder}/{name}' for name in (*dict(files), kind.class_names_file))
                what = f'{place} lacks {", ".join(lacking)}' if place.is_dir() else ''
                layouts = {'the official binary files': drawing}
                raise MissingData(self.NAME, self.data_root, self.HOMEPAGE, layouts, what, downloads=True)
        found = kind(str(root), split=self.split)
        # torchvision keeps them (N, 3, H, W).
        images = np.ascontiguousarray(found.data.transpose(0, 2, 3, 1))
        labels = np.asarray(found.labels, dtype=np.int64)
        return ArrayImages(images, labels, tuple(found.classes), f'{self.split} of {place}')
