"""OFD: compares maps before the ReLU, where negative values count only down to a margin."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, mse_loss

from .adaptors import AdaptorLoss, Norm
from .maps import Levels
from .rows import full_precision


class OFDLoss(AdaptorLoss):
    """Overhaul of feature distillation: a partial L2 distance of maps before the ReLU.

    A connector (1x1 convolution without bias, and BatchNorm) turns the student's map into s (N, C, H, W) with the C
    channels of the teacher's. The teacher's map, average-pooled to the student's size, is clipped from below at the
    margin m < 0 of its channel: t = max(F_teacher, m). For n stages, the deepest last::

        partial = sum_{c,h,w} (s - t)**2 where t > 0 or s > t, else 0
        loss    = loss_weight * sum_i 1 / 2**(n - i) * mean_n partial_i

    A student value below a negative target costs nothing, as both are 0 after the ReLU. The margin is the mean of the
    negative values of a normal distribution whose mean b and standard deviation g are the bias and the absolute weight
    of the teacher's norm before that ReLU: m = b - g * phi(b / g) / Phi(-b / g), and -3 * g where
    Phi(-b / g) <= 0.001. Margins are computed at the first step and kept in a buffer.

    Source: Heo et al., "A Comprehensive Overhaul of Feature Distillation", ICCV 2019, arXiv 1904.01866. The term needs
    `relu='before'`. CIFAR-100 uses all stages but the stem: `stages=[1, 2, 3]`, or up to 4 where there are five. In the
    published runs the teacher's norms use the statistics of the batch, as the teacher's setting `batch_statistics=True`
    does here; without it they use their running ones.

    Args:
        loss_weight: Factor on the returned value. Published: 1e-3 (CIFAR-100), 1e-4 (ImageNet), 1e-5 (detection).

    Raises:
        ValueError: If `loss_weight` is negative.
    """

    needs = ('norms',)
    needs_options = dict(relu='before', pooled=False)

    def __init__(self, loss_weight: float = 1e-3) -> None:
        super().__init__(loss_weight)
        self.has_margins = False

    def adapt(self, student: Levels, teacher: Levels) -> None:
        super().adapt(student, teacher)
        channels = sum(level.shape[1] for level in teacher)
        self.register_buffer('margins', torch.zeros(channels, device=student[0].device))

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module:
        conv = nn.Conv2d(student.shape[1], teacher.shape[1], kernel_size=1, bias=False)
        nn.init.normal_(conv.weight, std=math.sqrt(2 / conv.out_channels))
        return nn.Sequential(conv, Norm(conv.out_channels))

    def forward(self, student: Levels, teacher: Levels, *, norms: Sequence[nn.BatchNorm2d]) -> Tensor:
        """Compare two lists of maps before their ReLU.

        Args:
            student: One (N, C_i, H_i, W_i) for each stage.
            teacher: As many maps, whose channels and sizes may differ; detached here.
            norms: The teacher's BatchNorm right before the ReLU of each stage.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If the lists differ in length, are not maps of the same images, or the norms do not fit.
        """
        return super().forward(student, teacher, norms=norms)

    def divergence(self, student: Levels, teacher: Levels, norms: Sequence[nn.BatchNorm2d]) -> Tensor:
        channels = [level.shape[1] for level in teacher]
        if not self.has_margins:
            self.margins.copy_(_margins(norms, channels))
            self.has_margins = True
        levels = zip(student, teacher, self.margins.split(channels), strict=True)
        last = len(student) - 1
        return sum(_partial(*level) / 2 ** (last - i) for i, level in enumerate(levels))


@torch.no_grad()
def _margins(norms: Sequence[nn.BatchNorm2d], channels: list[int]) -> Tensor:
    """The margins of all channels of all stages."""
    weights = [getattr(norm, 'weight', None) for norm in norms]
    found = [None if weight is None else len(weight) for weight in weights]
    if found != channels:
        raise ValueError(
            f"OFDLoss needs norms, the teacher's BatchNorm with weight and bias before the ReLU of each stage, of "
            f'{channels} channels; got {found}. Choose stages that end in such a norm and a ReLU: stages=[...].'
        )
    deviation = full_precision(torch.cat(weights)).abs()
    mean = full_precision(torch.cat([norm.bias for norm in norms]))
    # Infinite for a channel of weight 0, which is constant: its margin is its bias if that is negative, else 0.
    ratio = mean / deviation
    negative = torch.special.ndtr(-ratio)
    density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
    return torch.where(negative > 0.001, mean - deviation * density / negative, -3 * deviation)


def _partial(student: Tensor, teacher: Tensor, margins: Tensor) -> Tensor:
    if student.shape[2:] != teacher.shape[2:]:
        teacher = adaptive_avg_pool2d(teacher, student.shape[2:])
    target = torch.maximum(teacher, margins.view(-1, 1, 1))
    # What does not count is its own target: no loss, no gradient, and only one tensor kept for backward.
    own = student.detach()
    target = torch.where((target > 0) | (own > target), target, own)
    return mse_loss(student, target, reduction='sum') / max(len(student), 1)
