"""Transforms of single images: torchvision's v2 by name, and Cutout."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, v2

from luminet_det.registry import TRANSFORMS

from .transform_settings import build, views_of

MIXING = ('MixUp', 'CutMix')


class Cutout(nn.Module):
    """Cover a square around a random pixel; at the border a part of the square lies outside.

    Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv
    1708.04552. There the square is 0 after normalisation, the mean colour; here the pixels are raw, and `fill` is its
    colour.

    Args:
        size: Side of the square in pixels, or (smallest, largest), drawn uniformly.
        fill: Grey level, or one per channel, 0..255.
        p: Probability.

    Raises:
        ValueError: A negative side, or a largest side below the smallest.
    """

    def __init__(self, size: int | Sequence[int], fill: float | Sequence[float] = 0, p: float = 1.0) -> None:
        super().__init__()
        self.sides, self.fill, self.p = cutout_sides(size), fill, p

    def forward(self, image: Tensor) -> Tensor:
        if not torch.rand(()) < self.p:
            return image
        height, width = image.shape[-2:]
        side = int(torch.randint(self.sides[0], self.sides[1] + 1, ()))
        top = int(torch.randint(height, ())) - side // 2
        left = int(torch.randint(width, ())) - side // 2
        covered = image.clone()
        fill = torch.tensor(self.fill).to(image.dtype).reshape(-1, 1, 1)
        covered[..., max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = fill
        return covered


def cutout_sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Smallest and largest side of a Cutout's `size`."""
    smallest, largest = (size, size) if isinstance(size, int) else size
    if not 0 <= smallest <= largest:
        raise ValueError(f'Cutout(size={size!r}): expected a side in pixels, or (smallest, largest).')
    return smallest, largest


def known() -> dict[str, Any]:
    """The transforms of single images by their name in a config, with those of `luminet_det.registry.TRANSFORMS`."""
    found = {
        name: kind
        for name, kind in vars(v2).items()
        if isinstance(kind, type) and issubclass(kind, nn.Module) and not name.startswith('_') and name not in MIXING
    }
    own = {f'luminet_det.{name}': kind for name, kind in TRANSFORMS.module_dict.items()}
    return found | {'Cutout': Cutout} | own


def build_views(transforms: Sequence | None) -> list[v2.Compose]:
    """The transforms of each view; `transforms` is a list of configs, or one such list for each view."""
    return [v2.Compose([_build(config) for config in view] or [nn.Identity()]) for view in views_of(transforms)]


def refuse_mixing(config: Mapping) -> None:
    """Raise ValueError for a transform that mixes labels."""
    if config['type'] in MIXING:
        raise ValueError(
            f'{config["type"]} mixes the labels of a batch, which are class indices here: it is not supported.'
        )


def _build(config: Mapping) -> nn.Module:
    refuse_mixing(config)
    kinds = known()
    settings = dict(config)
    if isinstance(settings.get('transforms'), Sequence):
        # The list in RandomApply, RandomChoice, RandomOrder and Compose.
        settings['transforms'] = [_build(inner) for inner in views_of(settings['transforms'])[0]]
    if settings.get('type') == 'AutoAugment' and 'policy' in settings:
        settings['policy'] = v2.AutoAugmentPolicy(settings['policy'])
    if isinstance(settings.get('interpolation'), str):
        settings['interpolation'] = InterpolationMode(settings['interpolation'])
    return build(settings, kinds)
