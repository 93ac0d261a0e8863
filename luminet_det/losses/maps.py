"""MapLoss and LevelsLoss: the base classes of losses on the feature maps of two networks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .rows import full_precision, rounding
from .settings import not_negative

Levels = tuple[Tensor, ...]


class MapLoss(nn.Module):
    """A divergence between the feature maps of student and teacher, times `loss_weight`.

    Computed in float32 (float64 stays float64), even inside autocast; only the learned layers of a subclass follow
    autocast. The teacher gets no gradient. A subclass implements `divergence`.

    Attributes:
        bridges: Whether channels and sizes of the two maps may differ.

    Args:
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    compares = 'maps'
    bridges = False

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = not_negative('loss_weight', loss_weight)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two feature maps.

        Args:
            student: (N, C, H, W).
            teacher: (N, C, H, W); detached here.

        Returns:
            A scalar.

        Raises:
            ValueError: If student and teacher are not two (N, C, H, W) tensors of one shape or, where the loss
                `bridges` shapes, not two maps of the same images.
        """
        self.require_maps(student, teacher)
        with torch.autocast(student.device.type, enabled=False):
            return self.loss_weight * self.divergence(full_precision(student), full_precision(teacher.detach()))

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The unweighted loss of full-precision maps; the teacher's carry no gradient."""
        raise NotImplementedError

    def require_maps(self, student: Tensor, teacher: Tensor) -> None:
        """Raise ValueError unless these are maps that the loss can compare."""
        alike = student.shape[:1] == teacher.shape[:1] if self.bridges else student.shape == teacher.shape
        if student.dim() != 4 or teacher.dim() != 4 or not alike:
            wanted = '(N, C, H, W) of the same N images' if self.bridges else 'both (N, C, H, W)'
            raise ValueError(
                f'{type(self).__name__} compares feature maps, student and teacher {wanted}; '
                f'got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}'
            )

    def extra_repr(self) -> str:
        return f'loss_weight={self.loss_weight:g}'


class LevelsLoss(MapLoss):
    """A `MapLoss` on all levels, or stages, at once: `forward` takes two tuples of maps of the same length."""

    takes_levels = True

    def forward(self, student: Levels, teacher: Levels, **needs) -> Tensor:
        """Compare two lists of feature maps.

        Args:
            student: One (N, C_i, H_i, W_i) for each level.
            teacher: As many maps; detached here.
            **needs: Passed on to `divergence`.

        Returns:
            A scalar.

        Raises:
            ValueError: If the lists differ in length, or two maps of a level cannot be compared.
        """
        self.require_levels(student, teacher)
        with torch.autocast(student[0].device.type, enabled=False):
            student = tuple(map(full_precision, student))
            teacher = tuple(full_precision(level.detach()) for level in teacher)
            return self.loss_weight * self.divergence(student, teacher, **needs)

    def divergence(self, student: Levels, teacher: Levels, **needs) -> Tensor:
        """The unweighted loss of full-precision maps; the teacher's carry no gradient."""
        raise NotImplementedError

    def require_levels(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> None:
        """Raise ValueError unless both networks have equally many maps, and those of each level are comparable."""
        if len(student) != len(teacher) or not student:
            raise ValueError(
                f'{type(self).__name__} compares as many feature maps of the student as of the teacher; got '
                f'{len(student)} and {len(teacher)}. Choose them in the term: stages=[...] of a classifier, '
                'levels=[...] of a detector.'
            )
        for own, other in zip(student, teacher, strict=True):
            self.require_maps(own, other)


def standardized_channels(maps: Tensor) -> Tensor:
    """Standardise each channel over images and positions: minus its mean, divided by its deviation plus 1e-6.

    A channel whose deviation is at most 128 eps times its mean is constant up to rounding. It becomes zeros without
    gradient, as both would be rounding errors divided by almost nothing. The eps is that of the precision computed in,
    float32 or float64, even for maps that came in half precision: values that half precision rounds to the same number
    are equal here too, and those that it keeps apart differ by so much more that their gradients need no mask.

    Args:
        maps: (N, C, H, W) in full precision.
    """
    mean = maps.mean((0, 2, 3), keepdim=True)
    centred = maps - mean
    # Not `std`, whose gradient is infinite for a channel that is constant.
    values = maps.shape[0] * maps.shape[2] * maps.shape[3]
    variance = centred.square().sum((0, 2, 3), keepdim=True) / max(values - 1, 1)
    # Dividing by infinity removes the gradient without a copy of maps.
    constant = variance <= rounding(mean).square()
    return centred / (variance.masked_fill(constant, torch.inf).sqrt() + 1e-6)
