"""AlignedLoss: the base class of losses on maps of one stride, with a 1x1 convolution where their channels differ."""

from torch import Tensor, nn

from .adaptors import AdaptorLoss, of_one_stride


class AlignedLoss(AdaptorLoss):
    """An `AdaptorLoss` that compares position by position and channel by channel.

    Where the numbers of channels differ, a 1x1 convolution is learned for the level; otherwise maps stay as they are.
    A subclass compares the positions that both maps have, as one network may pad its images more than the other.
    """

    fits = "A student's map has to have the teacher's stride."

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module | None:
        if not of_one_stride(student.shape[2:], teacher.shape[2:]):
            return None
        widths = student.shape[1], teacher.shape[1]
        return nn.Identity() if widths[0] == widths[1] else nn.Conv2d(*widths, kernel_size=1)
