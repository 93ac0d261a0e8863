"""An image of a data set with its annotated boxes."""

from typing import NamedTuple

import mmcv
import numpy as np
from torch.utils.data import Dataset

from luminet_det.dataset_config import common_classes
from luminet_det.pictures.labelled_box import LabelledBox


class Scene(NamedTuple):
    """An image as it lies on the disk.

    Attributes:
        pixels: (H, W, 3), uint8, BGR.
        truth: The annotated boxes, without those that evaluation ignores.
    """

    pixels: np.ndarray
    truth: list[LabelledBox]


def scene(dataset: Dataset, index: int) -> Scene:
    """Read an image of one of mmdet's data sets.

    Args:
        dataset: Built, with classes in its `metainfo`.
        index: Of the image, from 0.
    """
    info, names = dataset.get_data_info(index), common_classes(dataset.metainfo)
    truth = [
        LabelledBox(tuple(instance['bbox']), names[instance['bbox_label']])
        for instance in info['instances']
        if not instance.get('ignore_flag')
    ]
    return Scene(mmcv.imread(info['img_path']), truth)
