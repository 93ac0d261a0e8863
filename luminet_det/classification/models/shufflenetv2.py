"""ShuffleNetV2 for images of 32 pixels: shufflenetv2."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.staged_network import StagedNetwork
from luminet_det.registry import MODELS


class ShuffleNetV2(StagedNetwork):
    """Units that convolve half of the channels (Ma et al., arXiv 1807.11164), after a 1x1 stem without pooling, as in
    the CRD benchmark. All weights start from PyTorch's default.

    The shuffle comes before the ReLU, which commutes with it, so the maps before and after a stage's last ReLU have
    the same channel order. (In mdistiller the map before the ReLU is not shuffled.)

    Args:
        widths: Channels of each stage.
        depths: Units of each stage; the first one halves the maps.
        embedding: D.
        num_classes: C.
    """

    # The left-hand name is that of mdistiller and RepDistiller.
    key_map = ((r'^linear\.', 'fc.'),)

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], embedding: int, num_classes: int) -> None:
        super().__init__()
        channels = 24
        self.conv1 = nn.Conv2d(3, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for width, depth in zip(widths, depths, strict=True):
            self.add_stage(HalvingUnit(channels, width), *(SplitUnit(width) for _ in range(depth - 1)))
            channels = width
        self.conv2 = nn.Conv2d(channels, embedding, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(embedding)
        self.fc = nn.Linear(embedding, num_classes)

    def last_maps(self, x: Tensor) -> Tensor:
        return relu(self.bn2(self.conv2(x)), inplace=True)


class SplitUnit(nn.Module):
    """Leaves one half of the channels as it is, convolves the other and shuffles both, before the ReLU.

    The ReLU that follows does nothing to the first half, which is a ReLU's output already.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Conv2d(half, half, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, half, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(half)

    def forward(self, x: Tensor) -> Tensor:
        kept, x = x.chunk(2, dim=1)
        x = relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return interleaved(kept, self.bn3(self.conv3(x)))


class HalvingUnit(nn.Module):
    """Two branches of stride 2, each with half of the output's channels, shuffled, before the ReLU."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.conv1 = nn.Conv2d(channels, channels, 3, 2, padding=1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, half, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(channels, half, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv4 = nn.Conv2d(half, half, 3, 2, padding=1, groups=half, bias=False)
        self.bn4 = nn.BatchNorm2d(half)
        self.conv5 = nn.Conv2d(half, half, 1, bias=False)
        self.bn5 = nn.BatchNorm2d(half)

    def forward(self, x: Tensor) -> Tensor:
        left = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        right = relu(self.bn3(self.conv3(x)), inplace=True)
        right = self.bn5(self.conv5(self.bn4(self.conv4(right))))
        return interleaved(left, right)


def interleaved(left: Tensor, right: Tensor) -> Tensor:
    """Channels of the two halves in turn: the shuffle of two groups, in one copy."""
    return torch.stack([left, right], dim=2).flatten(1, 2)


@MODELS.register_module()
def shufflenetv2(num_classes: int = 100) -> ShuffleNetV2:
    """Width 1: 116, 232 and 464 channels; features of 32, 16, 8 and 4 pixels."""
    return ShuffleNetV2((116, 232, 464), (4, 8, 4), 1024, num_classes)
