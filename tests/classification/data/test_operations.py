"""Each operation on a batch equals torchvision's on each single image, up to rounding by 1."""

import math

import pytest
import torch
from torchvision.transforms.v2 import functional

from luminet_det.classification.data.operations import NAMES, apply

MAGNITUDES = {
    'ShearX': [0.3, -0.3, 0.1, 0.99, -0.0667, 0.0],
    'ShearY': [0.3, -0.3, 0.2, -0.99, 0.2333, 0.0],
    'TranslateX': [14.5, -14.5, 3.2, -0.9, 31.0, 0.0],
    'TranslateY': [14.5, -14.5, 6.7, -0.9, 31.0, 0.0],
    'Rotate': [30.0, -30.0, 6.6667, -135.0, 90.0, 0.0],
    'Brightness': [0.9, -0.9, 0.27, -0.99, 0.5, 0.0],
    'Color': [0.9, -0.9, 0.27, -0.99, 0.5, 0.0],
    'Contrast': [0.9, -0.9, 0.27, -0.99, 0.5, 0.0],
    'Sharpness': [0.9, -0.9, 0.27, -0.99, 0.5, 0.0],
    'Posterize': [8, 7, 6, 5, 4, 2],
    'Solarize': [1.0, 0.9, 0.5, 0.3, 0.1, 0.0],
}
FUNCTIONS = {
    'Identity': lambda image, m: image,
    'ShearX': lambda image, m: sheared(image, [math.degrees(math.atan(m)), 0.0]),
    'ShearY': lambda image, m: sheared(image, [0.0, math.degrees(math.atan(m))]),
    'TranslateX': lambda image, m: functional.affine(image, 0.0, [int(m), 0], 1.0, [0.0, 0.0]),
    'TranslateY': lambda image, m: functional.affine(image, 0.0, [0, int(m)], 1.0, [0.0, 0.0]),
    'Rotate': lambda image, m: functional.rotate(image, m),
    'Brightness': lambda image, m: functional.adjust_brightness(image, 1 + m),
    'Color': lambda image, m: functional.adjust_saturation(image, 1 + m),
    'Contrast': lambda image, m: functional.adjust_contrast(image, 1 + m),
    'Sharpness': lambda image, m: functional.adjust_sharpness(image, 1 + m),
    'Posterize': lambda image, m: functional.posterize(image, int(m)),
    'Solarize': lambda image, m: functional.solarize(image, 255.0 * m),
    'AutoContrast': lambda image, m: functional.autocontrast(image),
    'Equalize': lambda image, m: functional.equalize(image),
    'Invert': lambda image, m: functional.invert(image),
}


def sheared(image, shear):
    return functional.affine(image, 0.0, [0, 0], 1.0, shear, center=[0, 0])


def pictures(count: int, height: int = 32, width: int = 32) -> torch.Tensor:
    """Noise in every third image, smooth images between; the last is constant if it is not noise."""
    noise = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)
    smooth = functional.gaussian_blur(noise, [7, 7])
    smooth[-1] = 77
    return torch.where(torch.arange(count)[:, None, None, None] % 3 == 0, noise, smooth)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('size', [(32, 32), (24, 40)])
def test_an_operation_on_a_batch_is_torchvisions_on_each_image(name, size):
    torch.manual_seed(0)
    magnitudes = MAGNITUDES.get(name, [0.0] * 6)
    images = pictures(6, *size)
    found = apply(images, torch.full((6,), NAMES.index(name)), torch.tensor(magnitudes, dtype=torch.float64))
    expected = torch.stack([FUNCTIONS[name](image, m) for image, m in zip(images, magnitudes, strict=True)])
    difference = (found.int() - expected.int()).abs()
    assert found.dtype == torch.uint8
    assert difference.max() <= 1, (name, difference.amax((1, 2, 3)), (difference > 1).sum((1, 2, 3)))


@pytest.mark.parametrize('mode', ['nearest', 'bilinear'])
def test_moves_bring_in_the_fill_colour_as_torchvision_does(mode):
    torch.manual_seed(0)
    images, angles, fill = pictures(4), [30.0, -30.0, 12.3, 77.0], [10, 200, 90]
    chosen = torch.full((4,), NAMES.index('Rotate'))
    found = apply(images, chosen, torch.tensor(angles, dtype=torch.float64), mode, fill)
    kind = functional.InterpolationMode(mode)
    expected = [functional.rotate(i, a, interpolation=kind, fill=fill) for i, a in zip(images, angles, strict=True)]
    assert (found.int() - torch.stack(expected).int()).abs().max() <= 1


def test_each_image_of_a_batch_gets_the_operation_it_drew():
    torch.manual_seed(0)
    images = pictures(3 * len(NAMES))
    chosen = torch.arange(len(NAMES)).repeat(3)[torch.randperm(len(images))]
    magnitudes = [MAGNITUDES.get(NAMES[place], [0.0])[0] for place in chosen.tolist()]
    found = apply(images, chosen, torch.tensor(magnitudes, dtype=torch.float64))
    rows = zip(images, chosen.tolist(), magnitudes, strict=True)
    expected = torch.stack([FUNCTIONS[NAMES[place]](image, m) for image, place, m in rows])
    assert (found.int() - expected.int()).abs().max() <= 1


def test_operations_leave_the_images_they_are_given_as_they_were():
    torch.manual_seed(0)
    images = pictures(len(NAMES))
    before = images.clone()
    apply(images, torch.arange(len(NAMES)), torch.full((len(NAMES),), 0.3, dtype=torch.float64))
    assert torch.equal(images, before)
