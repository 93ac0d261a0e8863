"""DIST: the student's probabilities should correlate with the teacher's instead of being equal to them."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

from .rows import RowLoss, centred
from .settings import not_negative, require_a_part


class DISTLoss(RowLoss):
    """DIST: student and teacher probabilities agree up to a linear map, in each row and in each column.

    With p = softmax(z / tau) (K, C) and r(a, b) = <a - mean(a), b - mean(b)> / (|a - mean(a)| * |b - mean(b)| + 1e-8)::

        inter = 1 - mean over rows k of r(p_student[k], p_teacher[k])
        intra = 1 - mean over classes c of r(p_student[:, c], p_teacher[:, c])
        loss = loss_weight * tau**2 * (inter_weight * inter + intra_weight * intra)

    Source: Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, arXiv 2205.10536;
    `inter_weight` is its beta, `intra_weight` its gamma, and the factor `tau**2` and the weight 2 are those of the
    authors' code. Published: `tau=1` on ImageNet, 4 on CIFAR-100, with 1 times the cross-entropy.

    A row or column that is constant up to rounding has r = 0: it counts as 1, without a gradient. With one row
    that is true of every column. The 1e-8 also damps columns of classes that hardly any row has; where it does, even a
    student equal to its teacher has a loss above 0. Several processes: each correlates the columns of its own rows.

    Args:
        tau: Temperature; logits are divided by it before the softmax. Higher is softer.
        inter_weight: Factor on the correlation of rows, between the classes of an image.
        intra_weight: Factor on the correlation of columns, between the images of a class.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, a weight is negative, or both parts have the weight 0.
    """

    symbols = {'beta': 'inter_weight', 'gamma': 'intra_weight'}

    def __init__(
        self, tau: float = 1.0, inter_weight: float = 1.0, intra_weight: float = 1.0, loss_weight: float = 2.0
    ) -> None:
        super().__init__(tau, loss_weight)
        self.inter_weight = not_negative('inter_weight', inter_weight)
        self.intra_weight = not_negative('intra_weight', intra_weight)
        require_a_part(self, 'inter_weight', 'intra_weight')

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        if not len(student):
            return student.sum() * 0
        student, teacher = torch.softmax(student / self.tau, dim=1), torch.softmax(teacher / self.tau, dim=1)
        inter, intra = (1 - _correlation(student, teacher, dim).mean() for dim in (1, 0))
        return self.tau**2 * (self.inter_weight * inter + self.intra_weight * intra)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, inter_weight={self.inter_weight:g}, intra_weight={self.intra_weight:g}'


def _correlation(student: Tensor, teacher: Tensor, dim: int) -> Tensor:
    """r along a dimension of (K, C)."""
    student, teacher = centred(student, dim), centred(teacher, dim)
    return (student * teacher).sum(dim) / (vector_norm(student, dim=dim) * vector_norm(teacher, dim=dim) + 1e-8)
