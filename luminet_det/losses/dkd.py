"""DKD: KD split into one part for the target class and one for the other classes."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from .lskd import standardized_rows
from .rows import RowLoss, summed_kl
from .settings import flag, not_negative, require_a_part


class DKDLoss(RowLoss):
    """Decoupled knowledge distillation.

    With p = softmax(z / tau), y the target class, b = (p_y, 1 - p_y) and q the softmax without class y::

        TCKD = tau**2 / K * sum_k KL(b_teacher || b_student)
        NCKD = tau**2 / K * sum_k KL(q_teacher || q_student)
        loss = loss_weight * (target_weight * TCKD + non_target_weight * NCKD)

    Classical KD is the same sum with each row of NCKD weighted by the teacher's own 1 - p_y.

    Source: Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022; `target_weight` is its alpha,
    `non_target_weight` its beta, and the defaults are those of the authors' detection code. That code takes
    the logarithm of a computed 1 - p_y, which is -inf once the student is certain; here b is the softmax of
    z_y / tau and the logsumexp of the other logits, computed as logarithms throughout.

    Args:
        tau: Temperature; logits are divided by it before the softmax. Higher is softer.
        target_weight: Factor on TCKD.
        non_target_weight: Factor on NCKD. CIFAR-100 pairs use 2 to 8, ImageNet 0.5 or 2.
        loss_weight: Factor on the returned value.
        standardize: Whether each row of logits is standardised over its classes first, as `LSKDLoss` does. Its authors
            then use `tau=2` and multiply both inner weights by 9 to 15: `loss_weight=9` to 15.

    Raises:
        ValueError: If `tau` is not positive, a weight is negative, or both parts have the weight 0.
    """

    symbols = {'alpha': 'target_weight', 'beta': 'non_target_weight'}

    def __init__(
        self,
        tau: float = 1.0,
        target_weight: float = 1.0,
        non_target_weight: float = 0.25,
        loss_weight: float = 1.0,
        standardize: bool = False,
    ) -> None:
        super().__init__(tau, loss_weight)
        self.standardize = flag('standardize', standardize)
        self.target_weight = not_negative('target_weight', target_weight)
        self.non_target_weight = not_negative('non_target_weight', non_target_weight)
        require_a_part(self, 'target_weight', 'non_target_weight')

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        rows = len(student)
        if target is None or target.shape != (rows,):
            found = 'None' if target is None else tuple(target.shape)
            raise ValueError(f'DKDLoss needs target, the class index of each of the {rows} rows; got {found}')
        if self.standardize:
            student, teacher = standardized_rows(student), standardized_rows(teacher)
        student_pair, student_others = _decouple(student / self.tau, target)
        teacher_pair, teacher_others = _decouple(teacher / self.tau, target)
        tckd = summed_kl(student_pair, teacher_pair)
        nckd = summed_kl(student_others, teacher_others)
        return self.tau**2 / max(rows, 1) * (self.target_weight * tckd + self.non_target_weight * nckd)

    def extra_repr(self) -> str:
        return (
            f'{super().extra_repr()}, target_weight={self.target_weight:g}, '
            f'non_target_weight={self.non_target_weight:g}, standardize={self.standardize}'
        )


def _decouple(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of "target or other" (K, 2) and of the classes among the others (K, C).

    The target keeps its column among the others, at a logit so low that its probability is exactly 0. It is
    the lowest finite one: -inf would turn the KL's 0 * (-inf + inf) into nan.
    """
    index = target.unsqueeze(1)
    others = logits.scatter(1, index, torch.finfo(logits.dtype).min)
    pair = torch.cat([logits.gather(1, index), others.logsumexp(1, keepdim=True)], dim=1)
    return log_softmax(pair, dim=1), log_softmax(others, dim=1)
