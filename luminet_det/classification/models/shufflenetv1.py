"""ShuffleNetV1 for images of 32 pixels: shufflenetv1."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from luminet_det.classification.models.staged_network import StagedNetwork
from luminet_det.registry import MODELS


class ShuffleNetV1(StagedNetwork):
    """Grouped 1x1 convolutions with a shuffle of channels (Zhang et al., arXiv 1707.01083), after a 1x1 stem without
    pooling, as in the CRD benchmark. All weights start from PyTorch's default.

    Args:
        widths: Channels of each stage.
        depths: Units of each stage; the first one halves the maps.
        groups: Groups of the 1x1 convolutions; the very first one is not grouped.
        num_classes: C.
    """

    # The left-hand name is that of mdistiller and RepDistiller.
    key_map = ((r'^linear\.', 'fc.'),)
    cut_after_relu = False

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...], groups: int, num_classes: int) -> None:
        super().__init__()
        channels = 24
        self.conv1 = nn.Conv2d(3, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for width, depth in zip(widths, depths, strict=True):
            first = ShuffleUnit(channels, width, groups, groups if self.stages else 1, is_first=True)
            others = (ShuffleUnit(width, width, groups, groups) for _ in range(depth - 1))
            self.add_stage(first, *others)
            channels = width
        self.fc = nn.Linear(channels, num_classes)

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        if i == 0:
            return self.bn1(self.conv1(x))
        _, before = getattr(self, self.stages[i - 1])(relu(x))
        return before

    def classify(self, x: Tensor) -> Tensor:
        return super().classify(relu(x))


class ShuffleUnit(nn.Module):
    """A bottleneck of a quarter of the channels, without its last ReLU.

    The first unit of a stage has stride 2, and concatenates its channels with the average-pooled input instead of
    adding them.
    """

    def __init__(
        self, channels: int, out_channels: int, groups: int, first_groups: int, is_first: bool = False
    ) -> None:
        super().__init__()
        own_channels = out_channels - channels if is_first else out_channels
        inner = own_channels // 4
        self.first_groups = first_groups
        self.is_first = is_first
        self.conv1 = nn.Conv2d(channels, inner, 1, groups=first_groups, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, 2 if is_first else 1, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, own_channels, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(own_channels)

    def forward(self, x: Tensor) -> Tensor:
        own = relu(self.bn1(self.conv1(x)), inplace=True)
        if self.first_groups > 1:
            own = shuffled(own, self.first_groups)
        own = relu(self.bn2(self.conv2(own)), inplace=True)
        own = self.bn3(self.conv3(own))
        return torch.cat([own, avg_pool2d(x, 3, 2, padding=1)], dim=1) if self.is_first else own.add_(x)


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Channels (B, groups * n, H, W) reordered: the first of each group, then the second of each group, ..."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


@MODELS.register_module()
def shufflenetv1(num_classes: int = 100) -> ShuffleNetV1:
    """3 groups, 240, 480 and 960 channels; features of 32, 16, 8 and 4 pixels."""
    return ShuffleNetV1((240, 480, 960), (4, 8, 4), 3, num_classes)
