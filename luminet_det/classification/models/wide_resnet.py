"""Wide residual networks for images of 32 pixels: wrn_16_2, wrn_40_1, wrn_40_2."""

from math import sqrt

from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.outputs import Outputs
from luminet_det.registry import MODELS


class WideResNet(nn.Module):
    """Pre-activation blocks, k times as wide as resnet20's (Zagoruyko & Komodakis, arXiv 1605.07146), no dropout.

    A stage ends in a plain sum; the norm and ReLU that follow are the first ones of the next stage. Their outputs are
    the stage's `before_relu` and `features`, so each norm sees a batch once. (mdistiller runs them a second time for
    its feature losses, which updates its student's running statistics twice a step.)

    Convolutions start from a normal distribution of variance 2 / (k * k * C_out), norms from 1 and 0, the last
    layer's weight from PyTorch's default and its bias from 0.

    Args:
        depth: 6 n + 4 for n blocks a stage.
        widening: k; the stages have 16 k, 32 k and 64 k channels.
        num_classes: C.

    Raises:
        ValueError: `depth` is not 6 n + 4 for any n.
    """

    # The left-hand names are those of mdistiller and RepDistiller.
    key_map = ((r'^block(\d)\.layer\.', r'layer\1.'), (r'\.convShortcut\.', '.shortcut.'))
    cut_after_relu = False

    def __init__(self, depth: int, widening: int, num_classes: int) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f'A wide ResNet has a depth of 6 n + 4, such as 10, 16, 28 or 40; found depth={depth}.')
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.layer1 = PreActivationStage(16, 16 * widening, blocks, stride=1)
        self.layer2 = PreActivationStage(16 * widening, 32 * widening, blocks, stride=2)
        self.layer3 = PreActivationStage(32 * widening, 64 * widening, blocks, stride=2)
        self.bn1 = nn.BatchNorm2d(64 * widening)
        self.fc = nn.Linear(64 * widening, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=sqrt(2 / (module.weight[0, 0].numel() * module.out_channels)))
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Outputs:
        x0 = self.conv1(x)
        x1, *stem = self.layer1(x0)
        x2, *first = self.layer2(x1)
        x3, *second = self.layer3(x2)
        before = self.bn1(x3)
        after = relu(before)
        embedding = after.mean((2, 3))
        features, before_relu = zip(stem, first, second, (after, before), strict=True)
        # The network is cut at the plain sums: the norm that follows is part of the next stage.
        return Outputs(self.fc(embedding), features, before_relu, embedding, (x0, x1, x2, before))

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        """Run from one of the `boundaries`, or from the images, to the next one."""
        if i == 0:
            return self.conv1(x)
        x, *_ = getattr(self, f'layer{i}')(x)
        return self.bn1(x) if i == 3 else x

    def classify(self, x: Tensor) -> Tensor:
        """The logits, computed from the last of the `boundaries`."""
        return self.fc(relu(x).mean((2, 3)))


class PreActivationStage(nn.Sequential):
    """Blocks of one width; returns the last sum, the input after norm and ReLU, and the input after only the norm."""

    def __init__(self, channels: int, out_channels: int, depth: int, stride: int) -> None:
        first = PreActivationBlock(channels, out_channels, stride)
        super().__init__(first, *(PreActivationBlock(out_channels, out_channels, 1) for _ in range(depth - 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, *others = self
        before = first.bn1(x)
        after = relu(before)
        x = first(x, after)
        for block in others:
            x = block(x, relu(block.bn1(x), inplace=True))
        return x, after, before


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the stage runs the first norm, `bn1`, and its ReLU."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        # This depends only on the channels, so a stage of stride 2 must widen.
        self.shortcut = None if channels == out_channels else nn.Conv2d(channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor, activated: Tensor) -> Tensor:
        residual = self.conv2(relu(self.bn2(self.conv1(activated)), inplace=True))
        return residual.add_(x if self.shortcut is None else self.shortcut(activated))


@MODELS.register_module()
def wrn_16_2(num_classes: int = 100) -> WideResNet:
    """2 blocks a stage of 32, 64 and 128 channels; features of 32, 32, 16 and 8 pixels."""
    return WideResNet(16, 2, num_classes)


@MODELS.register_module()
def wrn_40_1(num_classes: int = 100) -> WideResNet:
    """6 blocks a stage of 16, 32 and 64 channels."""
    return WideResNet(40, 1, num_classes)


@MODELS.register_module()
def wrn_40_2(num_classes: int = 100) -> WideResNet:
    """6 blocks a stage of 32, 64 and 128 channels."""
    return WideResNet(40, 2, num_classes)
