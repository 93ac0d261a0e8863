"""MobileNetV2 of half width for images of 32 pixels: mobilenetv2_half."""

from math import sqrt

from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.outputs import Outputs
from luminet_det.registry import MODELS

# Expansion, channels at width 1, blocks and stride of each group (arXiv 1801.04381, table 2, except for the second
# stride, which is 1 for small images).
GROUPS = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# The groups after which a feature is taken.
TAPPED = (1, 2, 4, 6)


class MobileNetV2(nn.Module):
    """Inverted residuals with a stem of stride 2 (Sandler et al., arXiv 1801.04381), the variant of the CRD benchmark.

    It has ReLU where the paper has ReLU6, and also expands the first group by a 1x1 convolution. Only the stem ends
    in a ReLU: the other features are linear, and `before_relu` has the same tensors.

    Convolutions start from a normal distribution of variance 2 / (k * k * C_out), norms from 1 and 0, the last
    layer from one of standard deviation 0.01 with zero biases.

    Args:
        width: Factor on all channels but the last 1280.
        num_classes: C.
    """

    # The left-hand name is that of mdistiller and RepDistiller.
    key_map = ((r'^classifier\.0\.', 'fc.'),)
    cut_after_relu = False

    def __init__(self, width: float, num_classes: int) -> None:
        super().__init__()
        channels = int(32 * width)
        self.conv1 = nn.Sequential(nn.Conv2d(3, channels, 3, 2, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.blocks = nn.ModuleList()
        for expansion, at_full_width, depth, stride in GROUPS:
            group = []
            for i in range(depth):
                out_channels = int(at_full_width * width)
                group.append(InvertedResidual(channels, out_channels, 1 if i else stride, expansion))
                channels = out_channels
            self.blocks.append(nn.Sequential(*group))
        self.conv2 = nn.Sequential(nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280))
        self.fc = nn.Linear(1280, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=sqrt(2 / (module.weight[0, 0].numel() * module.out_channels)))
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Outputs:
        before = self.conv1(x)
        x = relu(before)
        features = [x]
        for i, group in enumerate(self.blocks):
            x = group(x)
            if i in TAPPED:
                features.append(x)
        last = self.conv2(x)
        embedding = relu(last).mean((2, 3))
        before_relu = (before, *features[1:])
        return Outputs(self.fc(embedding), tuple(features), before_relu, embedding, (*before_relu[:-1], last))

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        """Run from one of the `boundaries`, or from the images, to the next one."""
        if i == 0:
            return self.conv1(x)
        x = relu(x) if i == 1 else x
        for group in range(TAPPED[i - 2] + 1 if i > 1 else 0, TAPPED[i - 1] + 1):
            x = self.blocks[group](x)
        return self.conv2(x) if i == len(TAPPED) else x

    def classify(self, x: Tensor) -> Tensor:
        """The logits, computed from the last of the `boundaries`."""
        return self.fc(relu(x).mean((2, 3)))


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise convolution, 1x1 projection without ReLU; a shortcut if the shape stays the same."""

    def __init__(self, channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.conv = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.has_shortcut = stride == 1 and channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


@MODELS.register_module()
def mobilenetv2_half(num_classes: int = 100) -> MobileNetV2:
    """Half width; features of 16, 16, 8, 4 and 2 pixels with 16, 12, 16, 48 and 160 channels."""
    return MobileNetV2(0.5, num_classes)
