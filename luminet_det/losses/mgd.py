"""MGD: the student's map, partly erased, must be enough to generate the teacher's."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from .adaptors import common
from .aligned import AlignedLoss
from .maps import Levels
from .settings import not_negative

MASKS = ('positions', 'channels')


class MGDLoss(AlignedLoss):
    """Masked generative distillation.

    ``loss_weight / N * sum over n, c, h, w of (G(m * F_student) - F_teacher)**2``, summed over the levels

    with maps (N, C, H, W), a random m of zeros and ones, (N, 1, H, W) for `mask='positions'` and (N, C, 1, 1) for
    `'channels'`, and for each level a generator G that is learned with the student: 3x3 convolution to C channels,
    ReLU, 3x3 convolution; 1,180,160 parameters for C = 256. The mask is drawn anew in each step, from torch's global
    generator; what it keeps is not scaled up. Equal maps do not give 0 by themselves: G has to fill the gaps.

    Source: Yang et al., "Masked Generative Distillation", ECCV 2022, arXiv 2205.01529. Published on the FPN's first
    four levels of Faster and Mask R-CNN: mask of positions, 0.45 of them, weight 5e-7; on all levels of one-stage
    detectors: 0.65, 2e-5; on the last stage of ImageNet classifiers: mask of channels, 0.15, 7e-5.

    Args:
        mask: What is erased: whole `'positions'` (detectors) or whole `'channels'` (classifiers).
        masked: Probability that a position or channel is erased, at least 0 and below 1.
        loss_weight: Factor on the returned value. Small, as the loss is a sum over channels and positions.

    Raises:
        ValueError: If `mask` is unknown, `masked` is out of range, or `loss_weight` is negative.
    """

    symbols = {'alpha_mgd': 'loss_weight', 'lambda_mgd': 'masked'}

    def __init__(self, mask: str = 'positions', masked: float = 0.45, loss_weight: float = 5e-7) -> None:
        super().__init__(loss_weight)
        if mask not in MASKS:
            raise ValueError(f"mask must be 'positions' or 'channels', got mask={mask!r}")
        self.mask = mask
        self.masked = not_negative('masked', masked)
        if masked >= 1:
            raise ValueError(f'masked must be below 1, or nothing is left to generate from; got masked={masked!r}')

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module | None:
        align, channels = super().adaptor(student, teacher), teacher.shape[1]
        return align and nn.Sequential(
            align,
            _Eraser(self.mask, self.masked),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        )

    def divergence(self, student: Levels, teacher: Levels) -> Tensor:
        levels = zip(student, teacher, strict=True)
        return sum(mse_loss(*common(*level), reduction='sum') for level in levels) / max(len(student[0]), 1)

    def extra_repr(self) -> str:
        return f'mask={self.mask}, masked={self.masked:g}, {super().extra_repr()}'


class _Eraser(nn.Module):
    """Sets random positions, or channels, of maps (N, C, H, W) to zero."""

    def __init__(self, mask: str, masked: float) -> None:
        super().__init__()
        self.mask = mask
        self.masked = masked

    def forward(self, maps: Tensor) -> Tensor:
        n, c, h, w = maps.shape
        shape = (n, 1, h, w) if self.mask == 'positions' else (n, c, 1, 1)
        return maps * (torch.rand(shape, device=maps.device) >= self.masked)
