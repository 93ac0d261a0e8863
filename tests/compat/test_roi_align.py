"""RoIAlign, average and maximum, compared with loops over RoIs, bins and samples."""

import importlib
import math

import pytest
import torch

from luminet_det.compat import mmcv_ops

mmcv_ops.install()
ops = importlib.import_module('mmcv.ops')

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
HALF = [torch.float16, torch.bfloat16]
BINS = (2, 3)
SCALE = 0.5
ROIS = [
    (0, 1.3, 2.1, 11.7, 9.2),
    (1, 0.0, 0.0, 17.9, 13.9),  # the whole map: several samples per bin
    (1, 4.2, 3.3, 4.9, 3.9),  # smaller than a pixel
    (0, -6.3, -5.1, 5.2, 4.4),  # begins outside the map
    (0, 12.1, 8.7, 40.3, 30.2),  # ends outside the map
    (1, 60.0, 60.0, 70.0, 70.0),  # lies outside the map
]


def reference_bilinear(plane, y, x):
    """Bilinear value at (y, x) of a map given as nested lists: the border's up to a pixel outside, 0 further out."""
    height, width = len(plane), len(plane[0])
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = plane[top][left] * (1 - dx) + plane[top][right] * dx
    lower = plane[bottom][left] * (1 - dx) + plane[bottom][right] * dx
    return upper * (1 - dy) + lower * dy


def reference_roi_align(features, rois, bins, scale, ratio, mode, aligned):
    output = features.new_zeros(len(rois), features.size(1), *bins)
    planes = features.tolist()
    for k, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (c * scale - (0.5 if aligned else 0) for c in corners)
        height, width = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
        bin_h, bin_w = height / bins[0], width / bins[1]
        count_y, count_x = ratio or math.ceil(bin_h), ratio or math.ceil(bin_w)
        for c, plane in enumerate(planes[int(image)]):
            for i in range(bins[0]):
                for j in range(bins[1]):
                    samples = [
                        reference_bilinear(
                            plane,
                            y1 + (i + (iy + 0.5) / count_y) * bin_h,
                            x1 + (j + (ix + 0.5) / count_x) * bin_w,
                        )
                        for iy in range(count_y)
                        for ix in range(count_x)
                    ]
                    output[k, c, i, j] = max(samples) if mode == 'max' else sum(samples) / len(samples)
    return output


def example(dtype=torch.float64, device='cpu'):
    features = torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return features.to(device, dtype), torch.tensor(ROIS, dtype=torch.float64).to(device, dtype)


settings = [
    pytest.mark.parametrize('mode', ['avg', 'max']),
    pytest.mark.parametrize('ratio', [0, 2]),
    pytest.mark.parametrize('aligned', [True, False]),
]


def each_setting(test):
    for mark in settings:
        test = mark(test)
    return test


@each_setting
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_output_equals_the_loop(dtype, device, aligned, ratio, mode):
    features, rois = example(dtype, device)
    output = ops.roi_align(features, rois, BINS, SCALE, ratio, mode, aligned)
    expected = reference_roi_align(*example(), BINS, SCALE, ratio, mode, aligned)
    assert output.dtype == dtype
    torch.testing.assert_close(output.cpu().double(), expected, rtol=1e-5, atol=1e-5)


@each_setting
def test_gradient_is_the_derivative_of_the_output(aligned, ratio, mode):
    features, rois = example()
    features = features[:, :1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ops.roi_align(x, rois, BINS, SCALE, ratio, mode, aligned), (features,))


@pytest.mark.parametrize('changed', [dict(sampling_ratio=3), dict(aligned=False), dict(pool_mode='max')])
def test_each_setting_changes_the_output(changed):
    features, rois = example()
    plain = dict(sampling_ratio=2, aligned=True, pool_mode='avg')
    before = ops.RoIAlign(BINS, SCALE, **plain)(features, rois)
    assert not torch.allclose(ops.RoIAlign(BINS, SCALE, **plain | changed)(features, rois), before)


def test_average_is_torchvisions_own():
    features, rois = example(torch.float32)
    ours = ops.RoIAlign(BINS, SCALE)(features, rois)
    assert torch.equal(ours, ops.RoIAlign(BINS, SCALE, use_torchvision=True)(features, rois))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_half_types_stay_close_to_float32_under_amp(mode, dtype, device):
    features, rois = example(torch.float32, device)
    conv = torch.nn.Conv2d(3, 3, 1).to(device)
    with torch.autocast(device, dtype=dtype):
        half = conv(features)
        half.retain_grad()
        output = ops.roi_align(half, rois, BINS, SCALE, 0, mode, True)
    output.float().square().sum().backward()
    wide = half.detach().float().requires_grad_()
    expected = ops.roi_align(wide, rois, BINS, SCALE, 0, mode, True)
    expected.square().sum().backward()
    assert output.dtype == half.grad.dtype == dtype
    torch.testing.assert_close(output.float(), expected, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(half.grad.float(), wide.grad, rtol=5e-2, atol=5e-2)


@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_rois_in_half_types_lose_nothing_more_to_arithmetic(mode, dtype):
    features, rois = (t.to(dtype) for t in example())
    output = ops.roi_align(features, rois, BINS, 0.37, 0, mode, True)
    expected = ops.roi_align(features.float(), rois.float(), BINS, 0.37, 0, mode, True)
    assert torch.equal(output, expected.to(dtype))


@pytest.mark.parametrize('dtype', HALF)
def test_maximum_in_half_types_leads_the_gradient_to_the_winning_pixel_of_a_wide_map(dtype):
    # Near x = 333, bfloat16 has only even numbers: stored as a coordinate, the winning pixel would be lost.
    features = torch.zeros(1, 1, 4, 400, dtype=dtype)
    features[..., 2, 333] = 1
    won = features.clone()
    rois = torch.tensor([[0.0, 330.0, -2.0, 338.0, 6.0]])  # its samples are on whole pixels
    output = ops.roi_align(features.requires_grad_(), rois, 1, 1.0, 8, 'max', True)
    output.backward(torch.ones_like(output))
    assert torch.equal(features.grad, won)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_no_rois_give_no_output_and_no_gradient(mode):
    features = example(torch.float32)[0].requires_grad_()
    output = ops.roi_align(features, torch.zeros(0, 5), BINS, SCALE, 0, mode, True)
    output.sum().backward()
    assert output.shape == (0, 3, *BINS)
    assert torch.equal(features.grad, torch.zeros_like(features))


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_a_roi_without_area_gives_zero_and_no_gradient(mode):
    # With aligned=True and an adaptive number of samples, its bins have none.
    features = example(torch.float32)[0].requires_grad_()
    output = ops.roi_align(features, torch.tensor([[0.0, 4.0, 4.0, 4.0, 4.0]]), BINS, SCALE, 0, mode, True)
    output.sum().backward()
    assert torch.equal(output, torch.zeros(1, 3, *BINS))
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_maximum_does_not_hide_a_nan():
    features, rois = example(torch.float32)
    features[1, 0, 3, 4] = torch.nan  # under only some of the samples, neither the first nor the last
    output = ops.roi_align(features, rois[1:2], 1, SCALE, 8, 'max', True)
    assert output[0, 0].isnan().all()
    assert output[0, 1:].isfinite().all()


def test_gradient_of_overlapping_rois_adds_up():
    features, rois = example()
    grads = []
    for count in (1, 3):
        leaf = features.clone().requires_grad_()
        ops.roi_align(leaf, rois[:1].repeat(count, 1), BINS, SCALE, 2, 'max', True).sum().backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[1], 3 * grads[0])
