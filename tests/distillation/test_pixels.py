"""PixelMap: the teacher sees pixels as it normalises and pads them, at no cost where both networks agree."""

import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor

from luminet_det.distillation.pixels import PixelMap

TORCHVISION = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True, pad_size_divisor=32)
CAFFE = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False, pad_size_divisor=32)
SHAPES = [(60, 44), (44, 70)]


def normalised(settings):
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (3, *s), generator=generator, dtype=torch.uint8) for s in SHAPES]
    preprocessor = DetDataPreprocessor(**settings)
    return preprocessor, preprocessor(dict(inputs=images, data_samples=None))['inputs']


@pytest.mark.parametrize(
    'change',
    [
        CAFFE,
        dict(CAFFE, std=[57.375, 57.12, 58.395]),
        dict(TORCHVISION, mean=None, std=None),
        dict(TORCHVISION, pad_value=0.7),
        dict(TORCHVISION, pad_value=-114),
        dict(TORCHVISION, pad_size_divisor=64),
        dict(TORCHVISION, pad_size_divisor=1),
        dict(CAFFE, pad_size_divisor=128, pad_value=9),
        dict(TORCHVISION, bgr_to_rgb=False),
        dict(TORCHVISION, mean=[127.5], std=[127.5]),
    ],
)
@pytest.mark.parametrize('student_settings', [TORCHVISION, CAFFE, dict(TORCHVISION, pad_size_divisor=16, pad_value=3)])
def test_the_teacher_sees_what_it_would_see_alone(student_settings, change):
    student, inputs = normalised(student_settings)
    teacher, expected = normalised(change)
    before = inputs.clone()
    mapped = PixelMap(student, teacher)(inputs, SHAPES)
    torch.testing.assert_close(mapped, expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(inputs, before)


def test_identity_costs_nothing():
    student, inputs = normalised(TORCHVISION)
    pixels = PixelMap(student, DetDataPreprocessor(**TORCHVISION))
    assert pixels.identity
    assert pixels(inputs, SHAPES) is inputs
    assert pixels.describe() == 'as the student sees them'


def test_the_log_says_what_differs():
    pixels = PixelMap(DetDataPreprocessor(**TORCHVISION), DetDataPreprocessor(**CAFFE))
    assert 'channels flipped, mean and std changed' in pixels.describe()


def test_images_of_one_channel_keep_it():
    preprocessors = [DetDataPreprocessor(mean=[mean], std=[std]) for mean, std in ((128.0, 64.0), (100.0, 50.0))]
    image = torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8)
    own, theirs = (each(dict(inputs=[image], data_samples=None))['inputs'] for each in preprocessors)
    torch.testing.assert_close(PixelMap(*preprocessors)(own, [(8, 8)]), theirs)
