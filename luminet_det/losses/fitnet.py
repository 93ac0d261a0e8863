"""FitNet: a learned regressor turns the student's feature maps into maps that should equal the teacher's."""

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from .adaptors import AdaptorLoss, Norm, common
from .maps import Levels


class FitNetLoss(AdaptorLoss):
    """Hints: a learned regressor r turns each of the student's maps into one like the teacher's.

    With F (N, C, H, W), C, H and W those of the teacher::

        loss = loss_weight * sum_levels mean_{n,c,h,w} (r(F_student) - F_teacher)**2

    The convolution of r depends on the sizes: 1x1 if they are equal, 3x3 with stride 2 if the student's map is twice as
    large, a transposed 4x4 with stride 2 if it is half as large, and otherwise one without padding whose kernel shrinks
    the student's map to the teacher's size. The sizes are those of the examples given to `adapt`. If rounding gives one
    network a row or column more in another batch, the positions that both have are compared.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550. There the hint is trained in
    a stage of its own, before the training with KD. This loss follows the CIFAR-100 tables, which add it to the
    cross-entropy from the first to the last epoch, only on the second stage (`stages=[2]`, after its ReLU), with weight
    100, and take the mean where the paper takes half the sum. For detectors, use the levels of the neck with
    `regressor='conv'` and `loss_weight=1.0`: these maps have both signs, and a ReLU has no negative outputs.

    Args:
        loss_weight: Factor on the returned value.
        regressor: `'conv_norm_relu'`: the convolution, BatchNorm and ReLU, as in the CIFAR-100 tables. `'conv'`: only
            the convolution.

    Raises:
        ValueError: If `loss_weight` is negative, or `regressor` is neither of the two.
    """

    fits = "A student's map has to be as large as the teacher's, larger, or half as large."

    def __init__(self, loss_weight: float = 100.0, regressor: str = 'conv_norm_relu') -> None:
        super().__init__(loss_weight)
        if regressor not in ('conv_norm_relu', 'conv'):
            raise ValueError(f"regressor must be 'conv_norm_relu' or 'conv', got regressor={regressor!r}")
        self.regressor = regressor

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module | None:
        conv = _convolution(student, teacher)
        if conv is None or self.regressor == 'conv':
            return conv
        return nn.Sequential(conv, Norm(conv.out_channels), nn.ReLU(inplace=True))

    def divergence(self, student: Levels, teacher: Levels) -> Tensor:
        return sum(_mean_square(own, other) for own, other in zip(student, teacher, strict=True))

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, regressor={self.regressor!r}'


def _convolution(student: Tensor, teacher: Tensor) -> nn.Module | None:
    channels = student.shape[1], teacher.shape[1]
    own, wanted = tuple(student.shape[2:]), tuple(teacher.shape[2:])
    # A stride of 2 gives half the size, rounded up.
    if own != wanted and wanted == _halved(own):
        return nn.Conv2d(*channels, kernel_size=3, stride=2, padding=1)
    if own != wanted and own == _halved(wanted):
        return nn.ConvTranspose2d(*channels, kernel_size=4, stride=2, padding=1)
    kernel = tuple(1 + size - goal for size, goal in zip(own, wanted, strict=True))
    return nn.Conv2d(*channels, kernel_size=kernel) if min(kernel) > 0 else None


def _halved(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((length + 1) // 2 for length in size)


def _mean_square(student: Tensor, teacher: Tensor) -> Tensor:
    student, teacher = common(student, teacher)
    # Not the mean, which is nan without images.
    return mse_loss(student, teacher, reduction='sum') / max(teacher.numel(), 1)
