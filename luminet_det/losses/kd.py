"""KD: the teacher's softened class probabilities as targets."""

from torch import Tensor
from torch.nn.functional import log_softmax

from .rows import RowLoss, summed_kl


class KDLoss(RowLoss):
    """Classical knowledge distillation on logits.

    ``loss_weight * tau**2 / K * sum_k KL(softmax(teacher_k / tau) || softmax(student_k / tau))``

    The factor `tau**2` keeps the gradient's size when `tau` changes. CIFAR-100 tables use `tau=4` and
    `loss_weight=0.9` beside 0.1 of cross-entropy.

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531.

    Args:
        tau: Temperature; logits are divided by it before the softmax. Higher is softer.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, or `loss_weight` is negative.
    """

    def __init__(self, tau: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__(tau, loss_weight)

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        kl = summed_kl(log_softmax(student / self.tau, dim=1), log_softmax(teacher / self.tau, dim=1))
        return self.tau**2 / max(len(student), 1) * kl
