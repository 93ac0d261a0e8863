"""An image of a dataset with its annotated boxes."""

from typing import NamedTuple

import mmcv
import numpy as np
from torch.utils.data import Dataset

from luminet_det.dataset_config import common_classes
from luminet_det.pictures.labelled_box import LabelledBox
from luminet_det.pictures.outline import of_annotation


class Scene(NamedTuple):
    """An image on the disk.

    Attributes:
        path: Path of its file.
        truth: The annotated boxes that evaluation counts.
        ignored: The annotated boxes that it ignores.
    """

    path: str
    truth: list[LabelledBox]
    ignored: list[LabelledBox]

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 3), uint8, BGR; read anew each time, since hundreds of images are looked at and few are drawn."""
        return mmcv.imread(self.path)


def scene(dataset: Dataset, index: int, outlines: bool = False) -> Scene:
    """Look up an image of one of mmdet's datasets.

    Args:
        dataset: Built, with classes in its `metainfo`.
        index: Index of the image, from 0.
        outlines: Whether boxes get the outlines of their annotated masks.
    """
    info, names = dataset.get_data_info(index), common_classes(dataset.metainfo)
    boxes = {
        flag: [
            LabelledBox(
                tuple(instance['bbox']),
                names[instance['bbox_label']],
                outline=of_annotation(instance.get('mask')) if outlines else (),
            )
            for instance in info['instances']
            if bool(instance.get('ignore_flag')) == flag
        ]
        for flag in (False, True)
    }
    return Scene(info['img_path'], boxes[False], boxes[True])
