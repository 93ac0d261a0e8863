"""AdaptorLoss: the base class of losses that learn layers to fit the student's maps to the teacher's."""

from torch import Tensor, nn

from .bridges import bias_alone
from .maps import Levels, LevelsLoss


class AdaptorLoss(LevelsLoss):
    """A `LevelsLoss` that compares the teacher's maps with the outputs of learned adaptors, one for each student map.

    The adaptors follow autocast; `divergence` is computed in float32. A subclass implements `adaptor` and `divergence`.

    Attributes:
        fits: One sentence that says which sizes `adaptor` can bridge.
    """

    bridges = True
    fits = ''

    def __init__(self, loss_weight: float) -> None:
        super().__init__(loss_weight)
        self.adaptors = None

    def adapt(self, student: Levels, teacher: Levels) -> None:
        """Build the adaptors, once, before the optimizer is built.

        Args:
            student: Examples of what `forward` gets: one (N, C_i, H_i, W_i) for each level.
            teacher: As many maps.

        Raises:
            ValueError: If the lists differ in length, or no adaptor can bridge a level.
        """
        self.require_levels(student, teacher)
        adaptors = [self.adaptor(own, other) for own, other in zip(student, teacher, strict=True)]
        if None in adaptors:
            shapes = [[tuple(level.shape[1:]) for level in levels] for levels in (student, teacher)]
            raise ValueError(
                f"{type(self).__name__} has no adaptor from the student's maps (channels, height, width) {shapes[0]} "
                f"to the teacher's {shapes[1]}. {self.fits} Choose such maps in the term: stages=[...] of a "
                'classifier, levels=[...] of a detector.'
            )
        self.adaptors = nn.ModuleList(adaptors).to(student[0].device)

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module | None:
        """The adaptor between two example maps of one level; None if there is none."""
        raise NotImplementedError

    def forward(self, student: Levels, teacher: Levels, **needs) -> Tensor:
        """Compare two lists of feature maps.

        Args:
            student: One (N, C_i, H_i, W_i) for each level.
            teacher: As many maps, whose channels and sizes may differ; detached here.
            **needs: Passed on to `divergence`.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If the lists differ in length, or are not maps of the same images.
        """
        if self.adaptors is None:
            raise RuntimeError(
                f'{type(self).__name__} has no adaptors yet: call adapt(student, teacher) with examples of the maps '
                'once, before the optimizer is built.'
            )
        self.require_levels(student, teacher)
        adapted = tuple(adaptor(level) for adaptor, level in zip(self.adaptors, student, strict=True))
        return super().forward(adapted, teacher, **needs)


def common(*maps: Tensor) -> list[Tensor]:
    """The positions (..., H, W) that all maps have, from the top left: rounding and padding add to the other ends.

    Raises:
        ValueError: If the sizes differ by more than that, so that positions are different places of the image.
    """
    sizes = [tuple(level.shape[-2:]) for level in maps]
    if not of_one_stride(*sizes):
        raise ValueError(
            f'Maps of {" and ".join(map(str, dict.fromkeys(sizes)))} do not have the same stride, so they cannot be '
            'compared position by position. The stride of one of the networks depends on the size of the images, and '
            'these are not of the size that the adaptors were built for: set model.image_size of the classifier to '
            'their height in pixels, or choose other maps in the term: stages=[...] of a classifier, levels=[...] of a '
            'detector.'
        )
    height, width = map(min, *sizes)
    return [level[..., :height, :width] for level in maps]


def of_one_stride(*sizes: tuple[int, int]) -> bool:
    """Whether maps of these heights and widths differ only by padding and rounding."""
    # Padding may add much to one side, rounding adds a cell; another stride multiplies both sides.
    sides = [(min(side), max(side)) for side in zip(*sizes, strict=True)]
    return any(large <= max(1.5 * small, small + 1) for small, large in sides)


class Norm(nn.BatchNorm2d):
    """BatchNorm that in training outputs its bias for a channel with a single value, which is its own mean.

    It does not use the running statistics instead: each process has its own, and only the first one's are saved.
    """

    def forward(self, maps: Tensor) -> Tensor:
        if self.training and maps.numel() <= maps.shape[1]:
            return bias_alone(self, maps)
        return super().forward(maps)
