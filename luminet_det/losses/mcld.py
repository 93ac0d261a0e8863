"""MCLD (our reconstruction): student logits must identify the teacher's logits that belong to them in the batch."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .rows import RowLoss, centred, unit
from .settings import flag, not_negative, require_a_part


class MCLDLoss(RowLoss):
    """MCLD (our reconstruction): contrastive logit distillation by instance, by sample and by category.

    With n the L2 normalisation of rows, y the target classes, student and teacher logits (K, C) and their transposes
    (C, K)::

        A = n(student) n(teacher)^T / tau               (K, K)
        R = n(student^T) n(teacher^T)^T / tau           (C, C)
        instance = -mean over i of (A_ii - log sum over j of exp(A_ij))
        sample   = the same, where the sum leaves out every j != i with y_j = y_i: the target mask
        category = -mean over c of (R_cc - log sum over k of exp(R_ck))
        loss = loss_weight * (instance_weight * instance + sample_weight * sample + category_weight * category)

    Source: Wang and Zhou, "Multi-perspective Contrastive Logit Distillation", arXiv 2411.10693, names the three losses,
    the target mask and a warm-up. Its formulas, hyper-parameters and code were not available to us: the formulas and
    defaults here are ours, and their results are not those of the paper.

    The warm-up of the category-wise part is written as two terms of a config's `distill`::

        dict(tap='logits', loss=dict(type='luminet_det.MCLDLoss', category_weight=0)),
        dict(tap='logits', loss=dict(type='luminet_det.MCLDLoss', instance_weight=0, sample_weight=0),
             warmup='20 epochs'),

    A row or column of zeros has no direction, and a cosine of 0 with all others. With `center_categories` that includes
    a column of equal logits, which gets no gradient.

    The loss does not see the scale of a logit row: the cross-entropy has to determine it. As in every contrastive loss,
    even a student equal to its teacher has a loss above 0. More rows are more negatives; each process uses its own.

    Args:
        tau: Temperature of the contrast; cosines are divided by it. Lower is sharper.
        instance_weight: Factor on the instance-wise part.
        sample_weight: Factor on the sample-wise part, which needs `target`.
        category_weight: Factor on the category-wise part.
        center_categories: Whether each class's mean over the rows is subtracted before the category-wise part, so that
            classes differ in where they fire, not in how strongly. Sensible with few rows.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, a weight is negative, or all three parts have the weight 0.
    """

    def __init__(
        self,
        tau: float = 0.1,
        instance_weight: float = 1.0,
        sample_weight: float = 1.0,
        category_weight: float = 1.0,
        center_categories: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(tau, loss_weight)
        self.instance_weight = not_negative('instance_weight', instance_weight)
        self.sample_weight = not_negative('sample_weight', sample_weight)
        self.category_weight = not_negative('category_weight', category_weight)
        self.center_categories = flag('center_categories', center_categories)
        require_a_part(self, 'instance_weight', 'sample_weight', 'category_weight')

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        rows = len(student)
        if self.sample_weight and (target is None or target.shape != (rows,)):
            found = 'None' if target is None else tuple(target.shape)
            raise ValueError(
                f'MCLDLoss needs target, the class index of each of the {rows} rows, for its sample-wise part; got '
                f'{found}. Without labels set sample_weight=0.'
            )
        if not rows:
            return student.sum() * 0
        value = 0
        if self.instance_weight or self.sample_weight:
            similarity = self._similarity(student, teacher)
        if self.instance_weight:
            value = value + self.instance_weight * _contrast(similarity)
        if self.sample_weight:
            same = target == target[:, None]
            same.fill_diagonal_(False)
            value = value + self.sample_weight * _contrast(similarity.masked_fill(same, -torch.inf))
        if self.category_weight:
            if self.center_categories:
                student, teacher = centred(student, 0), centred(teacher, 0)
            value = value + self.category_weight * _contrast(self._similarity(student.T, teacher.T))
        return value

    def _similarity(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The cosine of each row of the student with each of the teacher, over tau."""
        return unit(student) @ unit(teacher).T / self.tau

    def extra_repr(self) -> str:
        return (
            f'{super().extra_repr()}, instance_weight={self.instance_weight:g}, sample_weight={self.sample_weight:g}, '
            f'category_weight={self.category_weight:g}, center_categories={self.center_categories}'
        )


def _contrast(similarity: Tensor) -> Tensor:
    """The mean over rows of -log softmax at the diagonal, where a row is compared with its own teacher's."""
    return cross_entropy(similarity, torch.arange(len(similarity), device=similarity.device))
