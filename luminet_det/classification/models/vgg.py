"""VGG for images of 32 pixels: vgg8, vgg11, vgg13."""

from math import sqrt

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from luminet_det.classification.models.outputs import Outputs
from luminet_det.registry import MODELS

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Five stages of 3x3 convolutions with bias, each with norm and ReLU (Simonyan & Zisserman, arXiv 1409.1556),
    then global average pooling and one linear layer, as in the CRD benchmark.

    The maps are halved after each of the first three stages, and after the fourth too for images of 64 pixels or
    more: for 32 pixels the stages have maps of 32, 16, 8, 4 and 4.

    Convolutions start from a normal distribution of variance 2 / (k * k * C_out) with zero biases, norms from 1 and
    0, the last layer from one of standard deviation 0.01 with zero biases.

    Args:
        convolutions: Number of convolutions of each stage.
        num_classes: C.
    """

    # The left-hand name is that of mdistiller and RepDistiller.
    key_map = ((r'^classifier\.', 'fc.'),)
    cut_after_relu = False

    def __init__(self, convolutions: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        channels = 3
        for i, (width, depth) in enumerate(zip(WIDTHS, convolutions, strict=True)):
            layers = []
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            # `forward` applies the last ReLU.
            self.add_module(f'block{i}', nn.Sequential(*layers[:-1]))
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=sqrt(2 / (module.weight[0, 0].numel() * module.out_channels)))
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Outputs:
        halvings = 4 if x.shape[2] >= 64 else 3
        features, before_relu = [], []
        for i in range(len(WIDTHS)):
            if 0 < i <= halvings:
                x = max_pool2d(x, 2)
            before = getattr(self, f'block{i}')(x)
            x = relu(before)
            features.append(x)
            before_relu.append(before)
        embedding = x.mean((2, 3))
        return Outputs(self.fc(embedding), tuple(features), tuple(before_relu), embedding, tuple(before_relu))

    def run_stage(self, i: int, x: Tensor) -> Tensor:
        """Run from one of the `boundaries`, or from the images, to the next one."""
        if i == 0:
            return self.block0(x)
        x = relu(x)
        # The maps of images of 64 x 64 pixels are 8 x 8 when they enter the last stage.
        if i < len(WIDTHS) - 1 or x.shape[2] >= 8:
            x = max_pool2d(x, 2)
        return getattr(self, f'block{i}')(x)

    def classify(self, x: Tensor) -> Tensor:
        """The logits, computed from the last of the `boundaries`."""
        return self.fc(relu(x).mean((2, 3)))


@MODELS.register_module()
def vgg8(num_classes: int = 100) -> VGG:
    """One convolution a stage."""
    return VGG((1, 1, 1, 1, 1), num_classes)


@MODELS.register_module()
def vgg11(num_classes: int = 100) -> VGG:
    """One convolution in each of the first two stages, then two a stage."""
    return VGG((1, 1, 2, 2, 2), num_classes)


@MODELS.register_module()
def vgg13(num_classes: int = 100) -> VGG:
    """Two convolutions a stage."""
    return VGG((2, 2, 2, 2, 2), num_classes)
