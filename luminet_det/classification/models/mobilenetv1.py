"""MobileNet-V1 for ImageNet, which most distillation tables of ResNet-50 call "MobileNetV2"."""

from torch import Tensor, nn
from torch.nn.functional import relu

from luminet_det.classification.models.outputs import Outputs
from luminet_det.registry import MODELS

# Output channels and stride of each separable convolution (arXiv 1704.04861, table 1).
SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


class MobileNetV1(nn.Module):
    """Depthwise-separable convolutions of width 1 (Howard et al., arXiv 1704.04861), norm and ReLU after each.

    Features are the last maps of each size, 2 to 32 times smaller than the image. All weights start from PyTorch's
    default.

    Args:
        num_classes: C.
    """

    # The left-hand name is mdistiller's.
    key_map = ((r'^model\.', 'layers.'),)
    image_size = 224
    cut_after_relu = True

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        channels = 32
        self.layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, channels, 3, 2, padding=1, bias=False), nn.BatchNorm2d(channels))]
        )
        for out_channels, stride in SEPARABLE:
            self.layers.append(separable(channels, out_channels, stride))
            channels = out_channels
        strides = [2, *(stride for _, stride in SEPARABLE), 2]
        self.ends = tuple(i for i in range(len(self.layers)) if strides[i + 1] == 2)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Outputs:
        features, before_relu = [], []
        for i, layer in enumerate(self.layers):
            before = layer(x)
            x = relu(before)
            if i in self.ends:
                features.append(x)
                before_relu.append(before)
        embedding = x.mean((2, 3))
        return Outputs(self.fc(embedding), tuple(features), tuple(before_relu), embedding, tuple(features))

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        """Run from one of the `boundaries`, or from the images, to the next one."""
        for layer in range(self.ends[i - 1] + 1 if i else 0, self.ends[i] + 1):
            x = relu(self.layers[layer](x))
        return x

    def classify(self, x: Tensor) -> Tensor:
        """The logits, computed from the last of the `boundaries`."""
        return self.fc(x.mean((2, 3)))


def separable(channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """A 3x3 depthwise and a 1x1 convolution, without the last ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


@MODELS.register_module()
def mobilenetv1(num_classes: int = 1000) -> MobileNetV1:
    """Width 1, 4 231 976 parameters with 1000 classes."""
    return MobileNetV1(num_classes)
