"""RowLoss: the base class of losses that compare the logits of student and teacher row by row."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import kl_div, log_softmax, softplus

from .settings import flag, not_negative, positive


class RowLoss(nn.Module):
    """A divergence between the rows of student and teacher logits, times `loss_weight`.

    Computed in float32 (float64 stays float64), even inside autocast. The teacher gets no gradient. Without rows
    the loss is 0 and still has a gradient (of zeros) to the student. A subclass implements `divergence`.

    Args:
        tau: Temperature; logits are divided by it before they become probabilities. Higher is softer.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, or `loss_weight` is negative.
    """

    compares = 'logits'
    # Names of settings in the paper or its code, and the names used here; only for error messages.
    symbols: ClassVar[dict[str, str]] = {}

    def __init__(self, tau: float, loss_weight: float) -> None:
        super().__init__()
        self.tau = positive('tau', tau)
        self.loss_weight = not_negative('loss_weight', loss_weight)

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """Compare two networks on the same rows.

        Args:
            student: Raw logits (K, C).
            teacher: Raw logits (K, C); detached here.
            target: Class indices (K,), int64; only some losses read them.

        Returns:
            A scalar.

        Raises:
            ValueError: If student and teacher are not two (K, C) tensors of one shape.
        """
        if student.dim() != 2 or student.shape != teacher.shape:
            raise ValueError(
                f'{type(self).__name__} compares rows of logits, student and teacher both (K, C); '
                f'got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}'
            )
        with torch.autocast(student.device.type, enabled=False):
            divergence = self.divergence(full_precision(student), full_precision(teacher.detach()), target)
            return self.loss_weight * divergence

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        """The unweighted loss of full-precision logits; the teacher's carry no gradient."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f'tau={self.tau:g}, loss_weight={self.loss_weight:g}'


class ClassRowLoss(RowLoss):
    """A `RowLoss` for which a row is either one distribution over classes or one yes-or-no decision for each class.

    Args:
        tau: Temperature.
        loss_weight: Factor on the returned value.
        use_sigmoid: As in mmdet's classification losses. False: the classes of a row exclude each other, its
            probabilities are the softmax. True: each class is decided independently, as in dense heads; its
            probability is the sigmoid, and a row's divergence is the sum of the binary divergences of its classes.

    Raises:
        ValueError: If `tau` is not positive, `loss_weight` is negative, or `use_sigmoid` is neither True nor False.
    """

    def __init__(self, tau: float, loss_weight: float, use_sigmoid: bool = False) -> None:
        super().__init__(tau, loss_weight)
        self.use_sigmoid = flag('use_sigmoid', use_sigmoid)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, use_sigmoid={self.use_sigmoid}'


def summed_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of log-probabilities (K, C), summed over classes and rows."""
    return kl_div(student, teacher, reduction='sum', log_target=True)


def softmax_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(teacher) || softmax(student)) of logits (K, C), summed over rows."""
    return summed_kl(log_softmax(student, dim=1), log_softmax(teacher, dim=1))


def sigmoid_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(sigmoid(teacher) || sigmoid(student)) of logits (K, C), summed over classes and rows.

    With p = sigmoid(t), ``p log(p / q) + (1 - p) log((1 - p) / (1 - q)) = p (t - s) + softplus(s) - softplus(t)``,
    which never takes the logarithm of a probability.
    """
    return (teacher.sigmoid() * (teacher - student) + softplus(student) - softplus(teacher)).sum()


def centred(values: Tensor, dim: int) -> Tensor:
    """Values minus their mean along a dimension; 0, without a gradient, where they are equal up to rounding.

    There the deviation is a rounding error, and a loss that divides by it would have a gradient of up to 1e8. A single
    such step would ruin a student that starts with equal logits, as from a last layer of zeros.

    Args:
        values: In full precision.
        dim: The dimension, of at least one value.
    """
    mean = values.mean(dim, keepdim=True)
    deviations = values - mean
    return deviations.masked_fill(deviations.detach().abs().amax(dim, keepdim=True) <= rounding(mean), 0)


def rounding(mean: Tensor) -> Tensor:
    """The largest deviation from a mean that is rounding: the mean of equal values is off by several eps."""
    return 128 * torch.finfo(mean.dtype).eps * mean.detach().abs()


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., D) divided by their norms; a zero vector, which has no direction, stays zero.

    The gradient of a zero vector is that of a division by 1. Dividing by a small number instead would make it huge.
    """
    norm = vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / norm.masked_fill(norm == 0, 1)


def full_precision(logits: Tensor) -> Tensor:
    """The logits as float32, or as they are if float64."""
    return logits if logits.dtype == torch.float64 else logits.float()
