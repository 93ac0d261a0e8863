"""ImageNet with a folder for each synset in train and val."""

from torchvision.datasets.imagenet import META_FILE, load_meta_file

from luminet_det.registry import DATASETS

from . import folder
from .images import LabelledImages
from .missing import MissingData
from .sources import FileImages


@DATASETS.register_module()
class ImageNet(LabelledImages):
    """ImageNet-1k: train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, as torchvision's ImageNet unpacks the archives.

    The labels are the indices of the synsets in alphabetical order, as in torchvision's checkpoints. Class names are
    those of torchvision's meta.bin if `data_root` has it, else the synsets' ids. All settings are those of
    `LabelledImages`.
    """

    NAME, SPLITS = 'ImageNet', ('train', 'val')
    LAYOUTS = {
        'one folder for each synset': 'train/<wnid>/*.JPEG     e.g. train/n01440764/n01440764_10026.JPEG\n'
        'val/<wnid>/*.JPEG\n'
        "meta.bin                (optional: the classes' names)",
    }

    def load(self) -> FileImages:
        place = self.data_root / self.split
        if not folder.class_folders(place):
            flat = place.is_dir() and any(place.glob('*.JPEG'))
            lacking = f'the images of {place} are not sorted into folders <wnid>' if flat else ''
            homepage = (
                'https://image-net.org/download-images (registration), and unpack it by '
                f"torchvision.datasets.ImageNet('{self.data_root}', split='{self.split}')"
            )
            raise MissingData(self.NAME, self.data_root, homepage, self.LAYOUTS, lacking)
        wnids = folder.class_folders(self.data_root / 'train') or folder.class_folders(place)
        found = folder.read(place, wnids)
        if (self.data_root / META_FILE).is_file():
            words, _ = load_meta_file(str(self.data_root))
            found.classes = folder.distinct([words[wnid][0] if wnid in words else wnid for wnid in wnids], wnids)
        return found
