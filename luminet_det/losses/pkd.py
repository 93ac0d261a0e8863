"""PKD: the correlation of feature maps, channel by channel."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from .rows import full_precision, not_negative


class PKDLoss(nn.Module):
    """Distillation by Pearson correlation, of one level of a feature pyramid.

    Each channel is standardised over images and positions, in both networks: with n = N * H * W values,
    ``f = (F - mean(F)) / (std(F) + 1e-6)``, std with n - 1, and the loss is ``loss_weight / 2 * mean((f_s - f_t)**2)``.
    That is ``loss_weight * (n - 1) / n * (1 - correlation)``, averaged over the channels: magnitudes, which differ
    between detectors of different kinds, do not count. A term sums it over the levels.

    Source: Cao et al., "PKD: General Distillation Framework for Object Detectors via Pearson Correlation
    Coefficient", NeurIPS 2022, arXiv 2207.02039. Published for Faster R-CNN: weight 6 on the first four levels.

    Args:
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    compares = 'maps'

    def __init__(self, loss_weight: float = 6.0) -> None:
        super().__init__()
        self.loss_weight = not_negative('loss_weight', loss_weight)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two feature maps.

        Args:
            student: (N, C, H, W).
            teacher: (N, C, H, W); detached here.

        Returns:
            A scalar; zero where a channel has a single value.

        Raises:
            ValueError: If student and teacher are not two (N, C, H, W) tensors of one shape.
        """
        if student.dim() != 4 or student.shape != teacher.shape:
            raise ValueError(
                'PKDLoss compares feature maps, student and teacher both (N, C, H, W); '
                f'got student {tuple(student.shape)} and teacher {tuple(teacher.shape)}'
            )
        with torch.autocast(student.device.type, enabled=False):
            student, teacher = (_standardised(full_precision(maps)) for maps in (student, teacher.detach()))
            return self.loss_weight / 2 * mse_loss(student, teacher)

    def extra_repr(self) -> str:
        return f'loss_weight={self.loss_weight:g}'


def _standardised(maps: Tensor) -> Tensor:
    values = maps.transpose(0, 1).flatten(1)
    if values.shape[1] < 2:
        return values * 0
    centred = values - values.mean(1, keepdim=True)
    # Not `std`, whose gradient is infinite for a channel that is constant.
    variance = centred.square().sum(1, keepdim=True) / (values.shape[1] - 1)
    return centred / (variance.clamp(min=1e-24).sqrt() + 1e-6)
