"""Pixel statistics: what the student's normalisation makes of the actual images."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch import nn

from luminet_det.doctor.findings import OK, WARN, Finding, Unusable

SAMPLES = 32
# ImageNet's mean and deviation leave photographs well inside; [0, 1] statistics on 0..255 images, or none, far outside.
FAR_MEAN, FAR_RATIO = 1.0, 3.0


def check(preprocessor: nn.Module, paths: Sequence[str]) -> Iterator[Finding]:
    """Mean and deviation of a few images after normalisation, which should be near 0 and 1.

    Args:
        preprocessor: The student's `data_preprocessor`.
        paths: Files of the training images.
    """
    import mmcv

    picked = [paths[i] for i in np.linspace(0, len(paths) - 1, min(SAMPLES, len(paths))).astype(int)]
    images = [(path, mmcv.imread(path)) for path in picked]
    if unreadable := [path for path, image in images if image is None]:
        raise Unusable(
            f'{len(unreadable)} of {len(picked)} images cannot be read: {"; ".join(unreadable[:3])}', 'Copy them again.'
        )
    sums = np.array([(image.mean((0, 1)), (image.astype(float) ** 2).mean((0, 1))) for _, image in images])
    mean, square = sums.mean(0)
    if getattr(preprocessor, '_channel_conversion', False):
        mean, square = mean[::-1], square[::-1]
    deviation = np.sqrt(np.maximum(square - mean**2, 1e-12))
    own_mean, own_deviation = np.zeros(3), np.ones(3)
    if getattr(preprocessor, '_enable_normalize', False):
        own_mean, own_deviation = (
            t.detach().cpu().double().numpy().reshape(-1) for t in (preprocessor.mean, preprocessor.std)
        )
    shift, ratio = np.abs(mean - own_mean) / own_deviation, deviation / own_deviation
    found = f'{len(picked)} images have mean {_listed(mean)} and deviation {_listed(deviation)}'
    if shift.max() > FAR_MEAN or ratio.max() > FAR_RATIO or ratio.min() < 1 / FAR_RATIO:
        yield Finding(
            'pixels',
            WARN,
            f'{found}; the model expects {_listed(own_mean)} and {_listed(own_deviation)}',
            'model.data_preprocessor.mean and std, on the 0 to 255 scale; a student that starts from pretrained '
            'weights keeps those it was pretrained with.',
        )
    else:
        yield Finding('pixels', OK, f'{found}; the model expects {_listed(own_mean)} and {_listed(own_deviation)}')


def _listed(values: np.ndarray) -> str:
    return '(' + ', '.join(f'{value:.1f}' for value in values) + ')'
