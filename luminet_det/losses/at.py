"""AT: the student should look where the teacher looks."""

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, mse_loss, normalize

from .maps import Levels, LevelsLoss


class ATLoss(LevelsLoss):
    """Attention transfer: the mean square of each map over its channels, as a direction over its positions.

    With F (N, C, H, W) and, for each image, a(F) the vector of H * W values mean_c F**2, divided by its L2 norm::

        loss = loss_weight * sum_stages mean_{n,hw} (a(F_student) - a(F_teacher))**2

    Channels may differ. Where sizes do, the larger map is average-pooled to the size of the smaller, before the square.

    Source: Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017, arXiv 1612.03928. The paper has
    half the distance of the two directions, its authors' code the mean of the squared differences; the published
    weight 1000 belongs to the code, which is followed. CIFAR-100 uses all stages but the stem, `stages=[1, 2, 3]`. If
    the networks have different numbers of stages, the code compares the first ones and ignores the rest; here the term
    has to choose them by `stages`.

    Args:
        loss_weight: Factor on the returned value. The means are small, 1e-4 to 1e-3.

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    bridges = True

    def __init__(self, loss_weight: float = 1000.0) -> None:
        super().__init__(loss_weight)

    def divergence(self, student: Levels, teacher: Levels) -> Tensor:
        return sum(_difference(own, other) for own, other in zip(student, teacher, strict=True))


def _difference(student: Tensor, teacher: Tensor) -> Tensor:
    size = tuple(map(min, student.shape[2:], teacher.shape[2:]))
    student, teacher = _attention(student, size), _attention(teacher, size)
    # Not the mean, which is nan without images.
    return mse_loss(student, teacher, reduction='sum') / max(student.numel(), 1)


def _attention(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    if maps.shape[2:] != size:
        maps = adaptive_avg_pool2d(maps, size)
    return normalize(maps.square().mean(1).flatten(1))
