"""Cutout and RandomErasing of a whole batch at once, with a rectangle drawn for each image."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .placement import beside
from .transforms import cutout_sides


class Cutout:
    """As `transforms.Cutout`: cover a square around a random pixel of each image.

    Args:
        size: Side of the square in pixels, or (smallest, largest), drawn uniformly.
        fill: Grey level, or one per channel, 0..255.
        p: Probability.
    """

    def __init__(self, size: int | Sequence[int], fill: float | Sequence[float] = 0, p: float = 1.0) -> None:
        self.sides, self.fill, self.p = cutout_sides(size), fill, p

    def __call__(self, images: Tensor) -> Tensor:
        count, (height, width) = len(images), images.shape[-2:]
        side = torch.randint(self.sides[0], self.sides[1] + 1, (count,))
        top = torch.randint(height, (count,)) - side // 2
        left = torch.randint(width, (count,)) - side // 2
        side = side * (torch.rand(count) < self.p)
        return cover(images, torch.stack([top, left, side, side]), self.fill)


class RandomErasing:
    """As torchvision's v2 RandomErasing: cover a rectangle of random area and shape.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.

    Args:
        p: Probability.
        scale: Smallest and largest share of the image's area.
        ratio: Smallest and largest height over width.
        value: Grey level, or one per channel, 0..255.
    """

    ATTEMPTS = 10

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] = 0,
    ) -> None:
        if isinstance(value, str):
            raise ValueError(f'value={value!r}; device-resident images support only one colour, e.g. value=0')
        self.p, self.scale, self.value = p, scale, value
        self.log_ratio = [math.log(bound) for bound in ratio]

    def __call__(self, images: Tensor) -> Tensor:
        count, (height, width) = len(images), images.shape[-2:]
        # As in torchvision, the first of ten rectangles that fits; none, if none does.
        area = height * width * torch.empty(self.ATTEMPTS, count).uniform_(*self.scale)
        ratio = torch.empty(self.ATTEMPTS, count).uniform_(*self.log_ratio).exp()
        tall, wide = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
        fits = (tall < height) & (wide < width)
        first = fits.byte().argmax(0, keepdim=True)
        tall, wide = tall.gather(0, first)[0], wide.gather(0, first)[0]
        done = fits.any(0) & (torch.rand(count) < self.p)
        tall, wide = tall * done, wide * done
        top = (torch.rand(count) * (height - tall + 1)).long()
        left = (torch.rand(count) * (width - wide + 1)).long()
        return cover(images, torch.stack([top, left, tall, wide]), self.value)


def cover(images: Tensor, boxes: Tensor, fill: float | Sequence[float]) -> Tensor:
    """Fill a rectangle of each image.

    Args:
        images: uint8 (B, C, H, W).
        boxes: (4, B) top, left, height and width in host memory; parts outside the image are cut off.
        fill: Grey level, or one per channel.
    """
    top, left, tall, wide = beside(images, boxes)[:, :, None].unbind(0)
    row, column = (torch.arange(size, device=images.device) for size in images.shape[-2:])
    inside = ((row >= top) & (row < top + tall))[:, :, None] & ((column >= left) & (column < left + wide))[:, None]
    colour = beside(images, torch.tensor(fill).to(images.dtype)).reshape(1, -1, 1, 1)
    return torch.where(inside[:, None], colour, images)
