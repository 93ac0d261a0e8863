"""AutoAugment, RandAugment and TrivialAugment of a whole batch at once; each image draws its own operations.

The tables of operations, magnitudes and policies are torchvision's own, read from its transforms of single images.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from .operations import NAMES, apply

Fill = float | Sequence[float] | None


class _Policy:
    """Base class: the interpolation of the moves, and torchvision's table of magnitudes."""

    def __init__(self, single: type, interpolation: str, fill: Fill) -> None:
        if interpolation not in ('nearest', 'bilinear'):
            raise ValueError(f"interpolation={interpolation!r}; choose 'nearest' or 'bilinear'")
        self.mode, self.fill = interpolation, fill
        self.space = single._AUGMENTATION_SPACE

    def table(self, bins: int, images: Tensor) -> tuple[Tensor, Tensor]:
        """For each of `NAMES` its magnitudes (operations, bins), float64, and whether their sign is drawn."""
        height, width = images.shape[-2:]
        magnitudes, signed = torch.zeros(len(NAMES), bins, dtype=torch.float64), torch.zeros(len(NAMES))
        for name, (values, sign) in self.space.items():
            levels = values(bins, height, width)
            if levels is not None:
                magnitudes[NAMES.index(name)] = levels.double()
                signed[NAMES.index(name)] = float(sign)
        return magnitudes, signed.bool()

    def change(self, images: Tensor, chosen: Tensor, magnitudes: Tensor, signed: Tensor) -> Tensor:
        """Draw the signs and apply operations `chosen` (B,)."""
        negative = (torch.rand(len(images)) <= 0.5) & signed[chosen]
        return apply(images, chosen, torch.where(negative, -magnitudes, magnitudes), self.mode, self.fill)


class AutoAugment(_Policy):
    """As torchvision's v2 AutoAugment: each image draws a sub-policy, and for both operations whether and which way.

    Source: Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", CVPR 2019.

    Args:
        policy: 'imagenet', 'cifar10' or 'svhn'.
        interpolation: 'nearest' or 'bilinear', of shears, shifts and rotations.
        fill: Grey level, or one per channel, of pixels that those bring in; None is black.
    """

    BINS = 10

    def __init__(self, policy: str = 'imagenet', interpolation: str = 'nearest', fill: Fill = None) -> None:
        super().__init__(v2.AutoAugment, interpolation, fill)
        pairs = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies
        self.operations = torch.tensor([[NAMES.index(name) for name, _, _ in pair] for pair in pairs])
        self.probabilities = torch.tensor([[p for _, p, _ in pair] for pair in pairs])
        self.levels = torch.tensor([[level or 0 for _, _, level in pair] for pair in pairs])

    def __call__(self, images: Tensor) -> Tensor:
        magnitudes, signed = self.table(self.BINS, images)
        drawn = torch.randint(len(self.operations), (len(images),))
        for step in range(self.operations.shape[1]):
            operation, level = self.operations[drawn, step], self.levels[drawn, step]
            done = torch.rand(len(images)) <= self.probabilities[drawn, step]
            chosen = torch.where(done, operation, NAMES.index('Identity'))
            images = self.change(images, chosen, magnitudes[operation, level], signed)
        return images


class RandAugment(_Policy):
    """As torchvision's v2 RandAugment: `num_ops` operations, each drawn from all, with the same magnitude.

    Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space",
    CVPR Workshops 2020.

    Args:
        num_ops: Operations on each image, one after another.
        magnitude: Index among `num_magnitude_bins` levels.
        num_magnitude_bins: How finely each operation's range is divided.
        interpolation: As in `AutoAugment`.
        fill: As in `AutoAugment`.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: str = 'nearest',
        fill: Fill = None,
    ) -> None:
        super().__init__(v2.RandAugment, interpolation, fill)
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(f'magnitude={magnitude} is not one of the {num_magnitude_bins} bins, which start at 0')
        self.num_ops, self.bins, self.magnitude = num_ops, num_magnitude_bins, magnitude
        self.operations = torch.tensor([NAMES.index(name) for name in self.space])

    def __call__(self, images: Tensor) -> Tensor:
        magnitudes, signed = self.table(self.bins, images)
        for _ in range(self.num_ops):
            chosen = self.operations[torch.randint(len(self.operations), (len(images),))]
            images = self.change(images, chosen, magnitudes[chosen, self.level(len(images))], signed)
        return images

    def level(self, count: int) -> Tensor:
        """The bin of each image's magnitude."""
        return torch.full((count,), self.magnitude)


class TrivialAugmentWide(RandAugment):
    """As torchvision's v2 TrivialAugmentWide: one operation and one magnitude, both drawn, for each image.

    Source: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021.
    """

    def __init__(self, num_magnitude_bins: int = 31, interpolation: str = 'nearest', fill: Fill = None) -> None:
        super().__init__(1, 0, num_magnitude_bins, interpolation, fill)
        self.space = v2.TrivialAugmentWide._AUGMENTATION_SPACE
        self.operations = torch.tensor([NAMES.index(name) for name in self.space])

    def level(self, count: int) -> Tensor:
        return torch.randint(self.bins, (count,))
