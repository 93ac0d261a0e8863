"""Different operations on the images of one batch: images that drew the same one are processed together."""

from collections.abc import Sequence

import torch
from torch import Tensor

from . import colour, geometry
from .placement import beside

# Names as in torchvision's tables; their magnitudes mean what they mean there.
COLOURS = {
    'Brightness': colour.brightness,
    'Color': colour.saturation,
    'Contrast': colour.contrast,
    'Sharpness': colour.sharpness,
    'Posterize': colour.posterize,
    'Solarize': colour.solarize,
    'AutoContrast': colour.autocontrast,
    'Equalize': colour.equalize,
    'Invert': colour.invert,
}
NAMES = ('Identity', *geometry.MOVES, *COLOURS)
BLENDS = ('Brightness', 'Color', 'Contrast', 'Sharpness')


def apply(
    images: Tensor,
    chosen: Tensor,
    magnitudes: Tensor,
    mode: str = 'nearest',
    fill: float | Sequence[float] | None = None,
) -> Tensor:
    """Change each image by the operation it drew.

    Args:
        images: uint8 (B, 3, H, W).
        chosen: (B,) indices into `NAMES`, in host memory.
        magnitudes: (B,) float64 in host memory: torchvision's, e.g. 0.3 for a brightness of 1.3, the share of 255
            from which values are solarized, bits, pixels, degrees.
        mode: 'nearest' or 'bilinear', of the moves.
        fill: Grey level, or one per channel, of pixels that the moves bring in; None is black.
    """
    # This order groups the images by operation. The host knows all of it, so nothing waits for the device.
    order = chosen.argsort(stable=True)
    counts = torch.bincount(chosen, minlength=len(NAMES)).tolist()
    sorted_magnitudes = magnitudes[order]
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    amounts = beside(images, _amounts(sorted_magnitudes, counts).float())
    moved = counts[1 : 1 + len(geometry.MOVES)]
    matrices = beside(images, _matrices(sorted_magnitudes[counts[0] :], moved, images.shape[-2:]).float())
    results, parts = [], images.index_select(0, beside(images, order)).split([counts[0], sum(moved), *counts[6:]])
    results.append(parts[0])
    if sum(moved):
        results.append(geometry.warp(parts[1], matrices, mode, fill))
    begin = counts[0] + sum(moved)
    for change, part in zip(COLOURS.values(), parts[2:], strict=True):
        if len(part):
            results.append(change(part, amounts[begin : begin + len(part)]))
        begin += len(part)
    return torch.cat(results).index_select(0, beside(images, back))


def _amounts(magnitudes: Tensor, counts: Sequence[int]) -> Tensor:
    """What the functions of `colour` take."""
    amounts = [
        1 + part if name in BLENDS else 255 * part if name == 'Solarize' else part
        for name, part in zip(NAMES, magnitudes.split(list(counts)), strict=True)
    ]
    return torch.cat(amounts)


def _matrices(magnitudes: Tensor, counts: Sequence[int], size: Sequence[int]) -> Tensor:
    parts = magnitudes[: sum(counts)].split(list(counts))
    return torch.cat(
        [geometry.inverse_matrices(move, part, *size) for move, part in zip(geometry.MOVES, parts, strict=True)]
    )
