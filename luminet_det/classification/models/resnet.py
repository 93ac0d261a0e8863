"""Residual networks for images of 32 pixels: resnet8 to resnet110, resnet8x4, resnet32x4, and ResNet-18 and -50."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.staged_network import StagedNetwork
from luminet_det.registry import MODELS


class ResNet(StagedNetwork):
    """A residual network with a 3x3 stem of stride 1 and no max-pooling (He et al., "Deep Residual Learning for
    Image Recognition", arXiv 1512.03385, section 4.2; the wider variants are those of the CRD benchmark).

    Convolutions start from Kaiming's normal distribution (fan out), norms from 1 and 0, the last layer from
    PyTorch's default.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: Blocks of each stage; every stage but the first halves the maps.
        widths: Channels of the stem, then of each stage before the block's expansion.
        num_classes: C.
    """

    # mdistiller and RepDistiller have other names for these two in ResNet-18 and -50, but not in the other ResNets.
    key_map = ((r'^linear\.', 'fc.'), (r'\.shortcut\.', '.downsample.'))

    def __init__(self, block: type[nn.Module], depths: Sequence[int], widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        channels = widths[0]
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        for i, (depth, width) in enumerate(zip(depths, widths[1:], strict=True)):
            blocks = []
            for j in range(depth):
                blocks.append(block(channels, width, stride=2 if i and not j else 1))
                channels = width * block.expansion
            self.add_stage(*blocks)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, without the ReLU after the sum."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = relu(self.bn1(self.conv1(x)), inplace=True)
        residual = self.bn2(self.conv2(residual))
        return residual.add_(x if self.downsample is None else self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut, without the ReLU after the sum."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = projection(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = relu(self.bn1(self.conv1(x)), inplace=True)
        residual = relu(self.bn2(self.conv2(residual)), inplace=True)
        residual = self.bn3(self.conv3(residual))
        return residual.add_(x if self.downsample is None else self.downsample(x))


def projection(channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The shortcut of a block that changes the shape; None where it is the identity."""
    if stride == 1 and channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


NARROW, WIDE, IMAGENET = (16, 16, 32, 64), (32, 64, 128, 256), (64, 64, 128, 256, 512)


@MODELS.register_module()
def resnet8(num_classes: int = 100) -> ResNet:
    """As resnet20, with 1 block a stage."""
    return ResNet(BasicBlock, (1, 1, 1), NARROW, num_classes)


@MODELS.register_module()
def resnet14(num_classes: int = 100) -> ResNet:
    """As resnet20, with 2 blocks a stage."""
    return ResNet(BasicBlock, (2, 2, 2), NARROW, num_classes)


@MODELS.register_module()
def resnet20(num_classes: int = 100) -> ResNet:
    """3 blocks a stage, 16, 32 and 64 channels; features of 32, 32, 16 and 8 pixels."""
    return ResNet(BasicBlock, (3, 3, 3), NARROW, num_classes)


@MODELS.register_module()
def resnet32(num_classes: int = 100) -> ResNet:
    """As resnet20, with 5 blocks a stage."""
    return ResNet(BasicBlock, (5, 5, 5), NARROW, num_classes)


@MODELS.register_module()
def resnet44(num_classes: int = 100) -> ResNet:
    """As resnet20, with 7 blocks a stage."""
    return ResNet(BasicBlock, (7, 7, 7), NARROW, num_classes)


@MODELS.register_module()
def resnet56(num_classes: int = 100) -> ResNet:
    """As resnet20, with 9 blocks a stage."""
    return ResNet(BasicBlock, (9, 9, 9), NARROW, num_classes)


@MODELS.register_module()
def resnet110(num_classes: int = 100) -> ResNet:
    """As resnet20, with 18 blocks a stage."""
    return ResNet(BasicBlock, (18, 18, 18), NARROW, num_classes)


@MODELS.register_module()
def resnet8x4(num_classes: int = 100) -> ResNet:
    """1 block a stage of 64, 128 and 256 channels over a stem of 32."""
    return ResNet(BasicBlock, (1, 1, 1), WIDE, num_classes)


@MODELS.register_module()
def resnet32x4(num_classes: int = 100) -> ResNet:
    """As resnet8x4, with 5 blocks a stage."""
    return ResNet(BasicBlock, (5, 5, 5), WIDE, num_classes)


@MODELS.register_module()
def resnet18_32px(num_classes: int = 100) -> ResNet:
    """ResNet-18 with the 3x3 stem; features of 32, 32, 16, 8 and 4 pixels."""
    return ResNet(BasicBlock, (2, 2, 2, 2), IMAGENET, num_classes)


@MODELS.register_module()
def resnet50_32px(num_classes: int = 100) -> ResNet:
    """ResNet-50 with the 3x3 stem, "ResNet50" in the CIFAR-100 tables; an embedding of 2048."""
    return ResNet(Bottleneck, (3, 4, 6, 3), IMAGENET, num_classes)
