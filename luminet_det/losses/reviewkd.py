"""ReviewKD: each level of the teacher supervises the same level and all deeper levels of the student."""

from numbers import Integral

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from .fusion import AttentionFusion
from .maps import Levels, LevelsLoss
from .rows import full_precision


class ReviewKDLoss(LevelsLoss):
    """Knowledge review.

    From the deepest level to the shallowest, with x_i the student's level (N, C_i, H_i, W_i), t_i the teacher's and r
    the residual of the deeper levels (the deepest level is not blended)::

        x    = BN(conv1x1(x_i))                                  (N, mid_channels, H_i, W_i)
        a, b = sigmoid(conv1x1([x, r]))                          (N, 1, H_i, W_i) each
        r    = a * x + b * r                                     brought to the size of t_i
        y_i  = BN(conv3x3(r))                                    (N, C of t_i, H and W of t_i)
        loss = loss_weight * sum_i hierarchical_context(y_i, t_i)

    Sizes are read from the maps, and may change from batch to batch. The learned layers follow autocast; the comparison
    is in float32. The BatchNorms use the statistics of each process's own images; where a channel has only one value,
    the norm outputs just its bias.

    Source: Chen et al., "Distilling Knowledge via Knowledge Review", CVPR 2021, arXiv 2104.09044, and the authors' code
    for what the paper leaves open: `mid_channels`, the initialisation and the weights of the pooled sizes. For
    classifiers that code lists the sizes of each pair; here, as for its detectors, the maps give them. Published: for
    CIFAR-100 the stages and the pooled features, weight 5 for most pairs (0.6 to 30), ramped up over 20 epochs; for
    ImageNet weight 1 (ResNet-34 to 18) or 8 (ResNet-50 to MobileNet); for Faster R-CNN the five levels of the neck,
    weight 1.2 (R101 to R18), 1 (R101 to R50) or 2 (R50 to MobileNetV2). There is no one best weight; 1 is the default.

    Args:
        mid_channels: Channels of r. None takes those of the student's deepest level, but at most 512, as the authors'
            code does: 256 behind a neck.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `loss_weight` is negative, or `mid_channels` is not a positive integer.
    """

    bridges = True

    def __init__(self, mid_channels: int | None = None, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight)
        if mid_channels is not None and (not isinstance(mid_channels, Integral) or mid_channels < 1):
            raise ValueError(f'mid_channels must be None or an integer, 1 or above, got mid_channels={mid_channels!r}')
        self.mid_channels = mid_channels
        self.fusions = self.widths = None

    def adapt(self, student: Levels, teacher: Levels) -> None:
        """Build a fusion for each level, once, before the optimizer is built.

        Args:
            student: Examples of what `forward` gets: one (N, C_i, H_i, W_i) for each level, the shallowest first.
            teacher: As many maps.

        Raises:
            ValueError: If the lists differ in length, or are not maps of the same images.
        """
        self.require_levels(student, teacher)
        self.widths = _widths(student, teacher)
        middle = self.mid_channels or min(512, self.widths[-1][0])
        last = len(student) - 1
        self.fusions = nn.ModuleList(
            AttentionFusion(own, middle, wanted, deepest=i == last) for i, (own, wanted) in enumerate(self.widths)
        ).to(student[0].device, full_precision(student[0]).dtype)

    def forward(self, student: Levels, teacher: Levels) -> Tensor:
        """Compare two lists of feature maps.

        Args:
            student: One (N, C_i, H_i, W_i) for each level, the shallowest first.
            teacher: As many maps, whose channels and sizes may differ; detached here.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If these are not maps of the levels that `adapt` has seen.
        """
        if self.fusions is None:
            raise RuntimeError(
                'ReviewKDLoss has no layers yet: call adapt(student, teacher) with examples of the maps once, before '
                'the optimizer is built.'
            )
        self.require_levels(student, teacher)
        if _widths(student, teacher) != self.widths:
            raise ValueError(
                f'ReviewKDLoss was adapted to levels of {self.widths} channels (student, teacher); got '
                f'{_widths(student, teacher)}. Use the same stages=[...] or levels=[...] throughout, or build it again.'
            )
        return super().forward(self._reviewed(student, teacher), teacher)

    def _reviewed(self, student: Levels, teacher: Levels) -> Levels:
        """The fused levels, each of the teacher's shape."""
        outputs, residual = [], None
        for fusion, own, other in zip(reversed(self.fusions), reversed(student), reversed(teacher), strict=True):
            output, residual = fusion(own, residual, other.shape[2:])
            outputs.append(output)
        return tuple(reversed(outputs))

    def divergence(self, student: Levels, teacher: Levels) -> Tensor:
        return sum(hierarchical_context(own, other) for own, other in zip(student, teacher, strict=True))

    def extra_repr(self) -> str:
        return f'mid_channels={self.mid_channels}, {super().extra_repr()}'


def hierarchical_context(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared differences of two maps (N, C, H, W) and of their averages over ever larger parts.

    ``(d(full) + d(4x4) / 2 + d(2x2) / 4 + d(1x1) / 8) / (1 + 1/2 + 1/4 + 1/8)``, d the mean squared difference of the
    maps pooled to that size. Pooled sizes that are not below H are left out, and the smaller ones take their weights.
    """
    # Pooling is linear, so the pooled difference is the difference of the pooled maps.
    difference = student - teacher
    value, weight, weights = _mean_square(difference), 1.0, 1.0
    for size in (4, 2, 1):
        if size < student.shape[2]:
            weight /= 2
            value = value + weight * _mean_square(adaptive_avg_pool2d(difference, size))
            weights += weight
    return value / weights


def _mean_square(values: Tensor) -> Tensor:
    # Not the mean, which is nan without images.
    return values.square().sum() / max(values.numel(), 1)


def _widths(student: Levels, teacher: Levels) -> list[tuple[int, int]]:
    return [(own.shape[1], other.shape[1]) for own, other in zip(student, teacher, strict=True)]
