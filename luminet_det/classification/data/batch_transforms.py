"""Transforms of device-resident images by their name in a config: one call for a whole uint8 batch.

Names, arguments and distributions are those of the transforms of single images, so one config serves both.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from . import transforms
from .crop_and_flip import RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from .jitter import ColorJitter
from .patches import Cutout, RandomErasing
from .policies import AutoAugment, RandAugment, TrivialAugmentWide
from .sizes import CenterCrop, Resize
from .transform_settings import build, views_of

BatchTransform = Callable[[Tensor], Tensor]
MOVING = (RandomCrop, RandomHorizontalFlip, RandomVerticalFlip, CenterCrop, Resize)
COLOURING = (AutoAugment, RandAugment, TrivialAugmentWide, ColorJitter, Cutout, RandomErasing)
KINDS: dict[str, type] = {kind.__name__: kind for kind in MOVING + COLOURING}
INSTEAD = 'or set device_resident=False in the dataset to use the transforms of single images.'


def build_views(configs: Sequence | None) -> list[list[BatchTransform]]:
    """The batch transforms of each view; `configs` as in `transforms.build_views`.

    Raises:
        KeyError: A transform does not exist, or does not support whole batches.
        TypeError, ValueError: A transform does not accept an argument, or not for whole batches.
    """
    return [[_build(config) for config in view] for view in views_of(configs)]


def _build(config: Mapping) -> BatchTransform:
    transforms.refuse_mixing(config)
    name = config['type']
    if name not in KINDS and name in transforms.known():
        raise KeyError(
            f'{name} does not support device-resident images. These do: {", ".join(sorted(KINDS))}. Choose one of '
            f'them, {INSTEAD}'
        )
    try:
        return build(config, KINDS)
    except (TypeError, ValueError) as error:
        raise type(error)(f'{error} This is the version for device-resident images; change it, {INSTEAD}') from error
