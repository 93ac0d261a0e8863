"""LSKD: KD on logits that are standardised row by row."""

from torch import Tensor
from torch.linalg import vector_norm

from .rows import RowLoss, centred, full_precision, softmax_kl


def standardized_rows(logits: Tensor) -> Tensor:
    """Standardise each row over its classes: ``(z - mean_c(z)) / (std_c(z) + 1e-7)``.

    The deviation is the unbiased one (C - 1) and 1e-7 is added outside the root, as in the authors' code. The gradient
    flows through mean and deviation.

    Args:
        logits: Raw logits (K, C). Half precision is computed and returned in float32.

    Returns:
        The standardised logits (K, C). A row whose logits are all equal up to rounding, or of one class only, is zeros
        and has no gradient, which would be 1e7 times that of its standardised logits.
    """
    logits = full_precision(logits)
    values = centred(logits, dim=1)
    # Not torch.std, which warns if there are no rows and gives nan for one class.
    deviation = vector_norm(values, dim=1, keepdim=True) / max(logits.shape[1] - 1, 1) ** 0.5
    return values / (deviation + 1e-7)


class LSKDLoss(RowLoss):
    """Logit standardization: KD between logits from which the scale and offset of each row are removed.

    With h = (z - mean_c(z)) / (std_c(z) + 1e-7), of each row over its classes and for each network::

        loss_weight * tau**2 / K * sum_k KL(softmax(h_teacher_k / tau) || softmax(h_student_k / tau))

    Source: Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024, arXiv 2403.01427. CIFAR-100
    tables use the defaults with 0.1 times the cross-entropy; some pairs `tau=3, loss_weight=9` (VGG-13 teachers) or
    `tau=4, loss_weight=12` (ResNet-110 to ResNet-20). KDLoss, DKDLoss and MLLDLoss apply the same standardisation with
    `standardize=True`.

    The loss does not see a row's scale and offset: the cross-entropy has to determine them. LumiNet standardises along
    the other axis, each class over the rows.

    Args:
        tau: Temperature; standardised logits are divided by it before they become probabilities. Higher is softer.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, or `loss_weight` is negative.
    """

    def __init__(self, tau: float = 2.0, loss_weight: float = 9.0) -> None:
        super().__init__(tau, loss_weight)

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        kl = softmax_kl(standardized_rows(student) / self.tau, standardized_rows(teacher) / self.tau)
        return self.tau**2 / max(len(student), 1) * kl
