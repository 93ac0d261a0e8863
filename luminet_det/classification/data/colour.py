"""Colour changes of a whole batch at once, each image by its own amount.

Images are uint8 (B, 3, H, W), amounts float32 (B,) on their device. The results are those of torchvision's v2
functional of the same name on each image by itself.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.transforms.v2 import functional


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply by `factors`; 0 is black."""
    return _bytes(images.float().mul_(_each(factors)))


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the grey image; 0 is grey, 1 the image."""
    return _blend(images, _grey(images), factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the mean of the grey image; 0 is that grey, 1 the image."""
    return _blend(images, _grey(images).mean((-3, -2, -1), keepdim=True), factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the smoothed image, except for its outermost pixels; 0 is smooth, 1 the image."""
    channels, height, width = images.shape[1:]
    if height <= 2 or width <= 2:
        return images
    values = images.float()
    # A mean of 3 x 3 in which the middle counts five times.
    kernel = torch.full((channels, 1, 3, 3), 1 / 13, device=images.device)
    kernel[..., 1, 1] = 5 / 13
    inner = values[..., 1:-1, 1:-1]
    smooth = conv2d(values, kernel, groups=channels).round_()
    inner += smooth.sub_(inner).mul_(1 - _each(factors))
    return _bytes(values)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the upper `bits` of each value."""
    shift = 8 - _each(bits).to(torch.int32)
    return images & (255 >> shift << shift).to(torch.uint8)


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert values from `thresholds` on."""
    return torch.where(images >= _each(thresholds), ~images, images)


def autocontrast(images: Tensor, _: Tensor | None = None) -> Tensor:
    """Stretch each channel of each image to 0..255."""
    return functional.autocontrast(images)


def equalize(images: Tensor, _: Tensor | None = None) -> Tensor:
    """Equalise the histogram of each channel of each image."""
    return functional.equalize(images)


def invert(images: Tensor, _: Tensor | None = None) -> Tensor:
    """255 minus each value."""
    return ~images


def _each(amounts: Tensor) -> Tensor:
    return amounts[:, None, None, None]


def _bytes(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """float32 (B, 1, H, W), rounded down to whole levels."""
    red, green, blue = images.float().unbind(1)
    return red.mul_(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()[:, None]


def _blend(images: Tensor, other: Tensor, factors: Tensor) -> Tensor:
    ratio = _each(factors)
    return _bytes(images.float().mul_(ratio).add_(other * (1 - ratio)))
