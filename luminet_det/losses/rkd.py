"""RKD: the distances and angles among the embeddings of a batch."""

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from .embeddings import EmbeddingLoss
from .rows import full_precision, unit
from .settings import flag, not_negative, require_a_part


class RKDLoss(EmbeddingLoss):
    """Relational distillation: how the images of a batch lie relative to each other, not where they lie.

    With embeddings e (B, D), D_ij = |e_j - e_i|, u_ij = (e_j - e_i) / D_ij and h the smooth L1 (Huber) loss::

        distance = 1 / B**2 * sum_ij h(D_ij / mean(D)), student against teacher; the mean is over i != j
        angle    = 1 / B**3 * sum_ijk h(u_ij . u_ik), student against teacher
        loss     = loss_weight * (distance_weight * distance + angle_weight * angle)

    Equal embeddings have distance 0, no direction and no gradient. D may differ between the networks. Tensors of B**3
    and of B**2 * D numbers are kept for backward: megabytes for 64 images, gigabytes for 512. Several processes: each
    compares its own images.

    Source: Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068. Published for CIFAR-100: 25
    and 50, on the pooled features as they are. MMRazor scales each embedding to length 1 first (`normalize=True`): a
    different loss under the same name.

    Args:
        distance_weight: Factor on the distances.
        angle_weight: Factor on the angles.
        normalize: Whether to divide each embedding by its L2 norm first. A zero embedding stays zero.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If a weight is negative, or both parts have the weight 0.
    """

    symbols = {'w_d': 'distance_weight', 'w_a': 'angle_weight'}

    def __init__(
        self,
        distance_weight: float = 25.0,
        angle_weight: float = 50.0,
        normalize: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.distance_weight = not_negative('distance_weight', distance_weight)
        self.angle_weight = not_negative('angle_weight', angle_weight)
        require_a_part(self, 'distance_weight', 'angle_weight')
        self.normalize = flag('normalize', normalize)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare the embeddings of a batch.

        Args:
            student: (B, D_student).
            teacher: (B, D_teacher); detached here.

        Returns:
            A scalar.

        Raises:
            ValueError: If these are not embeddings of the same images.
        """
        self.require_embeddings(student, teacher)
        with torch.autocast(student.device.type, enabled=False):
            return self.loss_weight * self.divergence(full_precision(student), full_precision(teacher.detach()))

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The unweighted loss of full-precision embeddings; the teacher's carry no gradient."""
        if self.normalize:
            student, teacher = unit(student), unit(teacher)
        angles = self.angle_weight > 0
        (own, own_angles), (other, other_angles) = _relations(student, angles), _relations(teacher, angles)
        total = 0
        if self.distance_weight:
            total = total + self.distance_weight * _huber(own, other)
        if angles:
            total = total + self.angle_weight * _huber(own_angles, other_angles)
        return total

    def extra_repr(self) -> str:
        return (
            f'distance_weight={self.distance_weight:g}, angle_weight={self.angle_weight:g}, '
            f'normalize={self.normalize}, loss_weight={self.loss_weight:g}'
        )


def _relations(embeddings: Tensor, angles: bool) -> tuple[Tensor, Tensor | None]:
    """The distances (B, B) in units of their mean, and if wanted the cosines (B, B, B) of the angle at each embedding
    between the lines to two others."""
    # Not from products of embeddings: for close ones, the distance would be the rounding error of large squares.
    lines = embeddings.unsqueeze(0) - embeddings.unsqueeze(1)
    products = lines @ lines.transpose(1, 2) if angles else None
    squares = products.diagonal(dim1=1, dim2=2) if angles else lines.square().sum(2)
    # The published code keeps squares at 1e-12 or above, which cuts the gradient below.
    none = squares < 1e-12
    lengths = squares.masked_fill(none, 1).sqrt()
    # Without a direction the factor is 0; dividing by a small eps would give a huge gradient.
    inverse = lengths.reciprocal().masked_fill(none, 0)
    lengths = lengths.masked_fill(none, 0)
    mean = lengths.sum() / max(len(lengths) * (len(lengths) - 1), 1)
    cosines = products * inverse.unsqueeze(1) * inverse.unsqueeze(2) if angles else None
    return lengths / mean.clamp(min=1e-12), cosines


def _huber(student: Tensor, teacher: Tensor) -> Tensor:
    # Not the mean, which is nan without images.
    return smooth_l1_loss(student, teacher, reduction='sum') / max(student.numel(), 1)
