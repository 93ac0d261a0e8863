"""Pixels that a dataset's pipeline has normalised, so that a teacher cannot be given its own."""

from typing import Any

from mmcv.transforms import Normalize

from luminet_det.distillation.pixels import PixelMap
from luminet_det.loaded_images import transforms

NORMALISED = 'normalised_in_pipeline'  # what a run publishes this under


def normalises(dataset: Any) -> bool:
    """Whether a pipeline of a dataset, or of one inside it, has mmcv's `Normalize`, as those of mmdet 2 had."""
    return any(isinstance(each, Normalize) for each in transforms(dataset))


def require_raw(pixels: PixelMap, normalised: bool) -> None:
    """Raise ValueError if pixels that are normalised already would be mapped to the teacher's normalisation."""
    if normalised and (pixels.rescales or pixels.flip):
        raise ValueError(
            "The training pipeline normalises images by Normalize, and the teacher's data_preprocessor has a mean, std "
            "or channel order of its own, which can be given to raw pixels only. Take Normalize out of the student's "
            'pipelines, and write its mean, std and to_rgb as mean, std and bgr_to_rgb of model.data_preprocessor.'
        )
