"""SP: images that are alike to the teacher should be alike to the student."""

from torch import Tensor

from .maps import MapLoss
from .rows import unit


class SPLoss(MapLoss):
    """Similarity-preserving distillation: how much each image of a batch resembles each of the others.

    With maps F (B, C, H, W) and Q the F as (B, C * H * W)::

        G    = Q @ Q.T, each row divided by its L2 norm
        loss = loss_weight / B**2 * ||G_teacher - G_student||_F**2

    C, H and W may differ. Several processes: each compares the B images of its own batch. With one image the loss is 0,
    unless one of its two maps is zero everywhere. The row of G for such a map is zero too, and its gradient is finite.

    Source: Tung and Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv 1907.09682. The weight 3000
    on the last stage, `stages=[-1]`, is that of RepDistiller's CIFAR-100 tables.

    Args:
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    bridges = True

    def __init__(self, loss_weight: float = 3000.0) -> None:
        super().__init__(loss_weight)

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        difference = _similarities(teacher) - _similarities(student)
        return difference.square().sum() / max(len(student), 1) ** 2


def _similarities(maps: Tensor) -> Tensor:
    rows = maps.flatten(1)
    similarities = rows @ rows.T
    return unit(similarities)
