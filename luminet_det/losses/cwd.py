"""CWD: each channel of a feature map is a distribution over positions."""

from torch import Tensor

from .adaptors import common
from .aligned import AlignedLoss
from .maps import Levels
from .rows import softmax_kl
from .settings import positive


class CWDLoss(AlignedLoss):
    """Channel-wise distillation: where each channel fires, not how strongly.

    With maps (N, C, H, W) and p = softmax over the H * W positions of F / tau, for each image and channel,

    ``loss_weight * tau**2 / (N * C) * sum over n, c of KL(p_teacher || p_student)``, summed over the levels.

    A constant added to a channel does not matter.

    Source: Shu et al., "Channel-wise Knowledge Distillation for Dense Prediction", ICCV 2021, arXiv 2011.13256.
    Published for detectors: tau 1, weight 10, all levels of the FPN. The paper's formula is for one image; this is the
    mean over images, as in the released detector code, from which the weight comes.

    Args:
        tau: Temperature, above 0; higher looks at larger regions of a channel.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, or `loss_weight` is negative.
    """

    def __init__(self, tau: float = 1.0, loss_weight: float = 10.0) -> None:
        super().__init__(loss_weight)
        self.tau = positive('tau', tau)

    def divergence(self, student: Levels, teacher: Levels) -> Tensor:
        total = 0
        for own, other in zip(student, teacher, strict=True):
            channels = [level.flatten(2).flatten(0, 1) / self.tau for level in common(own, other)]
            total = total + softmax_kl(*channels) * (self.tau**2 / max(len(channels[0]), 1))
        return total

    def extra_repr(self) -> str:
        return f'tau={self.tau:g}, {super().extra_repr()}'
