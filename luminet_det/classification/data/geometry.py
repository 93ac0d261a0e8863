"""Shears, shifts and rotations of a whole batch at once, each image by its own amount.

Each pixel is sampled at its inversely transformed coordinates, in pixels from the image's centre:
``x_in = m00 * x + m01 * y + m02`` and ``y_in = m10 * x + m11 * y + m12``. The results are those of torchvision's v2
functional `affine` and `rotate`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from .placement import beside

MOVES = ('ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate')


def inverse_matrices(move: str, amounts: Tensor, height: int, width: int) -> Tensor:
    """The inverse transforms (B, 2, 3), float64.

    Args:
        move: One of `MOVES`. Shears keep the image's upper left corner, as torchvision's AutoAugment does.
        amounts: (B,) float64: tangent of the shear, pixels, or degrees counter-clockwise.
        height: Height of the images.
        width: Width of the images.
    """
    one, zero = torch.ones_like(amounts), torch.zeros_like(amounts)
    if move == 'ShearX':
        rows = [one, amounts, amounts * height / 2, zero, one, zero]
    elif move == 'ShearY':
        rows = [one, zero, zero, amounts, one, amounts * width / 2]
    elif move == 'TranslateX':
        rows = [one, zero, -amounts.trunc(), zero, one, zero]
    elif move == 'TranslateY':
        rows = [one, zero, zero, zero, one, -amounts.trunc()]
    else:
        cos, sin = torch.deg2rad(amounts).cos(), torch.deg2rad(amounts).sin()
        rows = [cos, -sin, zero, sin, cos, zero]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def warp(
    images: Tensor, matrices: Tensor, mode: str = 'nearest', fill: float | Sequence[float] | None = None
) -> Tensor:
    """Move each image.

    Args:
        images: uint8 (B, C, H, W).
        matrices: (B, 2, 3) from `inverse_matrices` as float32, on the images' device.
        mode: 'nearest' or 'bilinear'.
        fill: Grey level, or one per channel, of pixels from outside the image.
    """
    height, width = images.shape[-2:]
    x, y = (
        torch.linspace((1 - size) / 2, (size - 1) / 2, size, device=images.device).view(shape).expand(height, width)
        for size, shape in ((width, (1, -1)), (height, (-1, 1)))
    )
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(1, -1, 3).expand(len(images), -1, -1)
    # grid_sample counts from -1 to 1 between the outer edges.
    x_row, y_row = matrices.unbind(1)
    scaled = torch.stack([x_row / (0.5 * width), y_row / (0.5 * height)], dim=-1)
    grid = pixels.bmm(scaled).view(-1, height, width, 2)
    values = images.float()
    if fill is None:
        values = grid_sample(values, grid, mode=mode, padding_mode='zeros', align_corners=False)
        return values.round_().to(torch.uint8)
    # A channel of ones shows how much of a pixel comes from inside.
    values = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    values = grid_sample(values, grid, mode=mode, padding_mode='zeros', align_corners=False)
    values, inside = values[:, :-1], values[:, -1:]
    colour = beside(images, torch.tensor(fill).float().reshape(1, -1, 1, 1))
    # At a bilinear edge the image, already weighted, is weighted once more, as in torchvision.
    return ((values - colour) * inside + colour).round_().to(torch.uint8)
