"""Feature maps of one stride but of different widths: a 1x1 convolution brings the student's to the teacher's."""

from torch import Tensor, nn

from .adaptors import AdaptorLoss


class AlignedLoss(AdaptorLoss):
    """An `AdaptorLoss` that compares position by position and channel by channel.

    Where the channels differ in number, a 1x1 convolution is learned for the level. With equal numbers at every level
    nothing is learned for it. A subclass compares the positions that both maps have: a network may pad its images
    further.
    """

    fits = "A student's map has to have the teacher's stride."

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module | None:
        sizes = [sorted((student.shape[d], teacher.shape[d])) for d in (2, 3)]
        # Padding adds to a side what it needs, and rounding a cell; another stride multiplies both sides.
        if all(large > max(1.5 * small, small + 1) for small, large in sizes):
            return None
        widths = student.shape[1], teacher.shape[1]
        return nn.Identity() if widths[0] == widths[1] else nn.Conv2d(*widths, kernel_size=1)
