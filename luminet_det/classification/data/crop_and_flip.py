"""Random crops and flips of a whole batch at once.

All take and return uint8 (B, C, H, W); each image draws its own numbers from torch's global CPU generator.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from .placement import beside


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) from torchvision's `size`: one number stands for both."""
    if isinstance(size, int):
        return size, size
    height, width = list(size) * 2 if len(size) == 1 else size
    return int(height), int(width)


class RandomCrop:
    """As torchvision's v2 RandomCrop: every place of the window in the padded image is equally likely.

    Args:
        size: Height and width of the window; one number stands for both.
        padding: Pixels added on all sides, or (left and right, top and bottom), or (left, top, right, bottom).
        fill: Grey level of the padding.
        padding_mode: 'constant', 'edge' or 'reflect'.

    Raises:
        ValueError: An unknown padding mode, or images smaller than the window.
    """

    MODES = {'constant': 'constant', 'edge': 'replicate', 'reflect': 'reflect'}

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        fill: float = 0,
        padding_mode: str = 'constant',
    ) -> None:
        if padding_mode not in self.MODES:
            raise ValueError(f'padding_mode={padding_mode!r}; device-resident images support {", ".join(self.MODES)}')
        if not isinstance(fill, int | float):
            raise ValueError(f'fill={fill!r}; device-resident images support one grey level for all channels')
        self.size, self.fill, self.mode = pair(size), float(fill), self.MODES[padding_mode]
        sides = [padding or 0] if isinstance(padding, int | None) else list(padding)
        left, top, right, bottom = sides * (4 // len(sides))
        # The order of torch's pad.
        self.padding = [left, right, top, bottom]

    def __call__(self, images: Tensor) -> Tensor:
        if any(self.padding):
            images = self._pad(images)
        (batch, channels, rows, columns), (height, width) = images.shape, self.size
        if rows < height or columns < width:
            raise ValueError(
                f'RandomCrop(size={self.size}) of padded images of {rows} x {columns}: lower size or raise padding.'
            )
        top = torch.randint(rows - height + 1, (batch,))
        left = torch.randint(columns - width + 1, (batch,))
        # A row of a window is a run of `width` bytes: select runs by where they begin in memory, which costs one copy.
        runs = images.contiguous().view(-1)
        runs = runs.as_strided((len(runs) - width + 1, width), (1, 1))
        begins = _row_begins(tuple(images.shape), height, images.device)
        begins = begins + beside(images, top * columns + left)[:, None]
        return runs.index_select(0, begins.view(-1)).view(batch, channels, height, width)

    def _pad(self, images: Tensor) -> Tensor:
        if self.mode == 'constant':
            return F.pad(images, self.padding, value=self.fill)
        # torch cannot pad uint8 in these modes.
        return F.pad(images.float(), self.padding, mode=self.mode).to(images.dtype)


@lru_cache(maxsize=8)
def _row_begins(shape: tuple[int, ...], height: int, device: torch.device) -> Tensor:
    """Where the first `height` rows of each channel of each image begin in memory, (B, C * height)."""
    batch, channels, rows, columns = shape
    plane = torch.arange(batch * channels, device=device)[:, None] * rows + torch.arange(height, device=device)
    return (plane * columns).view(batch, -1)


class RandomHorizontalFlip:
    """Mirror each image with probability `p`."""

    AXIS = -1

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f'p={p!r} is not a probability')
        self.p = p

    def __call__(self, images: Tensor) -> Tensor:
        # The mirrored images follow the others: selecting images by index is faster than a mask.
        chosen = torch.arange(len(images)) + len(images) * (torch.rand(len(images)) < self.p)
        both = torch.cat([images, images.flip(self.AXIS)])
        return both.index_select(0, beside(images, chosen))


class RandomVerticalFlip(RandomHorizontalFlip):
    """Turn each image upside down with probability `p`."""

    AXIS = -2
