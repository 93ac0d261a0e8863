"""PKD: the correlation of feature maps, channel by channel."""

from torch import Tensor
from torch.nn.functional import mse_loss

from .maps import MapLoss, standardized_channels


class PKDLoss(MapLoss):
    """Distillation by Pearson correlation, of one level of a feature pyramid.

    Each channel is standardised over images and positions, in both networks: with n = N * H * W values,
    ``f = (F - mean(F)) / (std(F) + 1e-6)``, std with n - 1, and the loss is ``loss_weight / 2 * mean((f_s - f_t)**2)``.
    That is ``loss_weight * (n - 1) / n * (1 - correlation)``, averaged over the channels: magnitudes, which differ
    between detectors of different kinds, do not matter. A channel that is constant up to rounding has f = 0 and no
    gradient, which could otherwise be as large as 1e6. A term sums the loss over the levels.

    Source: Cao et al., "PKD: General Distillation Framework for Object Detectors via Pearson Correlation
    Coefficient", NeurIPS 2022, arXiv 2207.02039. Published for Faster R-CNN: weight 6 on the first four levels.

    Args:
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    def __init__(self, loss_weight: float = 6.0) -> None:
        super().__init__(loss_weight)

    def divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        # Not the mean, which is nan without images.
        total = mse_loss(standardized_channels(student), standardized_channels(teacher), reduction='sum')
        return total / (2 * max(student.numel(), 1))
