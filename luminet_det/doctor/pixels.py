"""Pixel statistics: whether the student's normalisation fits the actual images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from luminet_det.doctor.findings import OK, WARN, Finding, Unusable

SAMPLES = 32
# Photographs are well inside these limits with ImageNet's statistics, far outside with [0, 1] statistics or none.
FAR_MEAN, FAR_RATIO = 1.0, 3.0


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, in the order in which the preprocessor receives them.

    Attributes:
        images: How many were looked at.
        mean: (3,).
        deviation: (3,).
    """

    images: int
    mean: np.ndarray
    deviation: np.ndarray


def of_images(images: Iterable[np.ndarray]) -> Statistics:
    """Statistics of images (H, W, 3), each of equal weight.

    Raises:
        Unusable: There are no images.
    """
    sums = np.array([(image.mean((0, 1)), (image.astype(float) ** 2).mean((0, 1))) for image in images])
    if not len(sums):
        raise Unusable('no image could be read', 'Copy the images again.')
    mean, square = sums.mean(0)
    return Statistics(len(sums), mean, np.sqrt(np.maximum(square - mean**2, 1e-12)))


def of_files(paths: Sequence[str]) -> Statistics:
    """Statistics of a few of the images, as mmdet reads them.

    Raises:
        Unusable: One of the images cannot be read.
    """
    import mmcv

    picked = [paths[i] for i in spread(len(paths))]
    images = [mmcv.imread(path) for path in picked]
    if unreadable := [path for path, image in zip(picked, images, strict=True) if image is None]:
        raise Unusable(
            f'{len(unreadable)} of {len(picked)} images cannot be read: {"; ".join(unreadable[:3])}', 'Copy them again.'
        )
    return of_images(images)


def spread(length: int, count: int = SAMPLES) -> list[int]:
    """At most `count` places, evenly spread over `length`."""
    return np.linspace(0, length - 1, min(count, length)).astype(int).tolist()


def check(preprocessor: nn.Module, found: Statistics) -> Iterator[Finding]:
    """Mean and deviation after normalisation, which should be near 0 and 1.

    Args:
        preprocessor: The student's `data_preprocessor`.
        found: Statistics of the training images.
    """
    mean, deviation = found.mean, found.deviation
    if getattr(preprocessor, '_channel_conversion', False):
        mean, deviation = mean[::-1], deviation[::-1]
    own_mean, own_deviation = np.zeros(3), np.ones(3)
    if getattr(preprocessor, '_enable_normalize', False):
        own_mean, own_deviation = (
            t.detach().cpu().double().numpy().reshape(-1) for t in (preprocessor.mean, preprocessor.std)
        )
    centred = (np.abs(mean - own_mean) <= FAR_MEAN * deviation).all() and own_mean.any()
    shift, ratio = np.abs(mean - own_mean) / own_deviation, deviation / own_deviation
    text = (
        f'{found.images} images have mean {_listed(mean)} and deviation {_listed(deviation)}; '
        f'the model expects {_listed(own_mean)} and {_listed(own_deviation)}'
    )
    if centred and (own_deviation == 1).all():
        yield Finding('pixels', OK, f'{text}: centred only, as weights from Caffe expect')
    elif (own_mean == 0).all() and (own_deviation == 255).all():
        yield Finding('pixels', OK, f'{text}: from 0 to 1, as some weights expect')
    elif shift.max() > FAR_MEAN or ratio.max() > FAR_RATIO or ratio.min() < 1 / FAR_RATIO:
        yield Finding(
            'pixels',
            WARN,
            text,
            'model.data_preprocessor.mean and std, on the 0 to 255 scale; a student that starts from pretrained '
            'weights keeps those it was pretrained with.',
        )
    else:
        yield Finding('pixels', OK, text)


def _listed(values: np.ndarray) -> str:
    return '(' + ', '.join(f'{value:.1f}' for value in values) + ')'
