"""AttentionFusion: ReviewKD's block that blends a level of the student with the residual of the deeper levels."""

from torch import Size, Tensor, nn
from torch.nn.functional import conv2d, interpolate

from .adaptors import Norm


class AttentionFusion(nn.Module):
    """Attention-based fusion of one level of the student with the residual of the deeper ones.

    The level goes through a 1x1 convolution to `middle` channels. It is blended with the residual by two attention
    maps, the sigmoid of a 1x1 convolution over both. The blend, resized to the teacher's size, is the residual of the
    next level, and a 3x3 convolution turns it into what is compared with the teacher. Resizing takes the nearest pixel.

    Args:
        channels: Channels of the student's level.
        middle: Channels of the residual.
        wanted: Channels of the teacher's level.
        deepest: Whether there is no residual to blend with.
    """

    def __init__(self, channels: int, middle: int, wanted: int, deepest: bool) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, middle, 1, bias=False), Norm(middle))
        self.attention = None if deepest else nn.Conv2d(2 * middle, 2, 1)
        self.expand = nn.Sequential(nn.Conv2d(middle, wanted, 3, padding=1, bias=False), Norm(wanted))
        for convolution in (self.reduce[0], self.expand[0]):
            nn.init.kaiming_uniform_(convolution.weight, a=1)

    def forward(self, level: Tensor, residual: Tensor | None, size: Size) -> tuple[Tensor, Tensor]:
        """Fuse one level.

        Args:
            level: The student's (N, C, H, W).
            residual: Residual of the deeper levels (N, middle, ., .); None for the deepest level.
            size: Height and width of the teacher's level.

        Returns:
            What is compared with the teacher's level, and the next level's residual, both of that size.
        """
        level = self.reduce(level)
        if self.attention is not None:
            level = self._blend(level, residual)
        residual = _resized(level, size)
        return self.expand(residual), residual

    def _blend(self, level: Tensor, residual: Tensor) -> Tensor:
        # The convolution over both without concatenating them: half of it on each, on the residual before resizing.
        own, other = self.attention.weight.split(level.shape[1], dim=1)
        scores = conv2d(level, own, self.attention.bias) + _resized(conv2d(residual, other), level.shape[2:])
        attention = scores.sigmoid()
        return attention[:, :1] * level + attention[:, 1:] * _resized(residual, level.shape[2:])


def _resized(maps: Tensor, size: Size) -> Tensor:
    return maps if maps.shape[2:] == size else interpolate(maps, size)
