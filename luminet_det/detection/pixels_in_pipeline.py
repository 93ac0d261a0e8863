"""Check for pixels that a dataset's pipeline has normalised, which cannot be mapped to a teacher's normalisation."""

from typing import Any

from mmcv.transforms import Normalize

from luminet_det.distillation.pixels import PixelMap
from luminet_det.loaded_images import transforms

NORMALISED = 'normalised_in_pipeline'  # the name under which a run publishes this


def normalises(dataset: Any) -> bool:
    """Whether the pipeline of a dataset, or of one inside it, has mmcv's `Normalize`, as in mmdet 2."""
    return any(isinstance(each, Normalize) for each in transforms(dataset))


def require_raw(pixels: PixelMap, normalised: bool) -> None:
    """Raise ValueError if pixels that are normalised already would be mapped to the teacher's normalisation."""
    if normalised and (pixels.rescales or pixels.flip):
        raise ValueError(
            "The training pipeline normalises images by Normalize, but the teacher's data_preprocessor has another "
            "mean, std or channel order, which needs raw pixels. Remove Normalize from the student's pipelines, and "
            'write its mean, std and to_rgb as mean, std and bgr_to_rgb of model.data_preprocessor.'
        )
