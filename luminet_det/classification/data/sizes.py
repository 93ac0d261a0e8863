"""Changes of size without randomness, done by torchvision on the whole batch."""

from collections.abc import Sequence

from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from .crop_and_flip import pair


class CenterCrop:
    """As torchvision's v2 CenterCrop: the middle of each image, padded by 0 if it is too small."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = list(pair(size))

    def __call__(self, images: Tensor) -> Tensor:
        return functional.center_crop(images, self.size)


class Resize:
    """As torchvision's v2 Resize: one number is the shorter side."""

    def __init__(self, size: int | Sequence[int], interpolation: str = 'bilinear', antialias: bool = True) -> None:
        self.size = [size] if isinstance(size, int) else list(size)
        self.mode, self.antialias = InterpolationMode(interpolation), antialias

    def __call__(self, images: Tensor) -> Tensor:
        return functional.resize(images, self.size, interpolation=self.mode, antialias=self.antialias)
