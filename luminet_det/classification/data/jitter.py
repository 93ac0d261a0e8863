"""Random brightness, contrast and saturation of a whole batch at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .operations import NAMES, apply

Range = float | Sequence[float]


class ColorJitter:
    """As torchvision's v2 ColorJitter without hue: each image draws its factors and their order.

    Args:
        brightness: Largest deviation of the factor from 1, or its (smallest, largest) value; 0 changes nothing.
        contrast: As `brightness`.
        saturation: As `brightness`.

    Raises:
        ValueError: A factor could become negative.
    """

    def __init__(self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0) -> None:
        ranges = {'Brightness': brightness, 'Contrast': contrast, 'Color': saturation}
        self.ranges = [(NAMES.index(name), *_bounds(name, value)) for name, value in ranges.items()]
        self.ranges = [entry for entry in self.ranges if entry[1:] != (1, 1)]

    def __call__(self, images: Tensor) -> Tensor:
        if not self.ranges:
            return images
        operations, smallest, largest = (torch.tensor(values) for values in zip(*self.ranges, strict=True))
        # Sorting noise gives each image its own random order.
        order = torch.rand(len(images), len(operations)).argsort(1)
        drawn = torch.rand(len(images), len(operations), dtype=torch.float64)
        for step in order.unbind(1):
            factor = smallest[step] + (largest - smallest)[step] * drawn.gather(1, step[:, None])[:, 0]
            images = apply(images, operations[step], factor - 1)
        return images


def _bounds(name: str, value: Range) -> tuple[float, float]:
    smallest, largest = (max(0, 1 - value), 1 + value) if isinstance(value, int | float) else value
    if not 0 <= smallest <= largest:
        raise ValueError(f'{name.lower()}={value!r}; expected a deviation from 1, or (smallest, largest) factor >= 0')
    return float(smallest), float(largest)
