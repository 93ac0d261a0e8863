"""RoIPool compared with loops over RoIs, bins and pixels."""

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
ROIS = [
    (0, 1.3, 2.1, 11.7, 9.2),
    (1, 0.0, 0.0, 17.9, 13.9),
    (1, 4.2, 3.3, 4.9, 3.9),  # smaller than a pixel
    (0, -6.3, -5.1, 5.2, 4.4),  # begins outside the map
    (0, 12.1, 8.7, 40.3, 30.2),  # ends outside the map
    (1, 60.0, 60.0, 70.0, 70.0),  # lies outside the map
    (1, 8.0, 8.0, 3.0, 3.0),  # ends before it begins
]


def reference_roi_pool(features, rois, bins, scale):
    output = features.new_zeros(len(rois), features.size(1), *bins)
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        top, left = y1 * scale, x1 * scale
        height, width = (y2 + 1) * scale - top, (x2 + 1) * scale - left
        if height <= 0 or width <= 0:
            continue
        for i in range(bins[0]):
            rows = range(math.floor(top + i * height / bins[0]), math.ceil(top + (i + 1) * height / bins[0]))
            for j in range(bins[1]):
                columns = range(math.floor(left + j * width / bins[1]), math.ceil(left + (j + 1) * width / bins[1]))
                for c, plane in enumerate(features[int(image)].tolist()):
                    pixels = [
                        plane[y][x] for y in rows for x in columns if 0 <= y < len(plane) and 0 <= x < len(plane[0])
                    ]
                    output[k, c, i, j] = max(pixels, default=0.0)
    return output


def example(dtype=torch.float64, device='cpu'):
    features = torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return features.to(device, dtype), torch.tensor(ROIS, dtype=torch.float64).to(device, dtype)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('scale', [1.0, 0.5, 0.37])
def test_output_equals_the_loop(scale, dtype, device):
    features, rois = example(dtype, device)
    output = ops.RoIPool(BINS, scale)(features, rois)
    assert output.dtype == dtype
    expected = reference_roi_pool(*example(), BINS, scale)
    torch.testing.assert_close(output.cpu().double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_gradient_is_the_derivative_of_the_output(scale):
    features, rois = example()
    assert torch.autograd.gradcheck(lambda x: ops.RoIPool(BINS, scale)(x, rois), (features[:, :1].requires_grad_(),))


def test_on_whole_pixels_it_is_torchvisions():
    from torchvision.ops import roi_pool

    features, rois = example(torch.float32)
    rois = rois[:3].round()
    assert torch.equal(ops.RoIPool(BINS)(features, rois), roi_pool(features, rois, BINS))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', HALF)
def test_half_types_equal_float32_under_amp(dtype, device):
    features, rois = example(torch.float32, device)
    conv = torch.nn.Conv2d(3, 3, 1).to(device)
    with torch.autocast(device, dtype=dtype):
        half = conv(features)
        half.retain_grad()
        output = ops.RoIPool(BINS, 0.5)(half, rois)
    output.sum().backward()
    wide = half.detach().float().requires_grad_()
    expected = ops.RoIPool(BINS, 0.5)(wide, rois)
    expected.sum().backward()
    assert output.dtype == half.grad.dtype == dtype
    assert torch.equal(output.float(), expected)
    assert torch.equal(half.grad.float(), wide.grad)


@pytest.mark.parametrize('dtype', HALF)
def test_bins_of_a_wide_map_are_cut_in_float32_also_in_half_types(dtype):
    # Near x = 1100, float16 has only whole numbers, bfloat16 only multiples of 8.
    features = torch.randn(1, 1, 2, 1400, generator=torch.Generator().manual_seed(0)).to(dtype)
    rois = torch.tensor([[0, 1104, 0, 1136, 1]]).to(dtype)
    output = ops.RoIPool((1, 7))(features, rois)
    expected = reference_roi_pool(features.double(), rois.double(), (1, 7), 1.0)
    assert torch.equal(output.double(), expected)


def test_no_rois_give_no_output_and_no_gradient():
    features = example(torch.float32)[0].requires_grad_()
    output = ops.RoIPool(BINS)(features, torch.zeros(0, 5))
    output.sum().backward()
    assert output.shape == (0, 3, *BINS)
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_an_empty_roi_sends_no_gradient_anywhere():
    features, rois = example(torch.float32)
    features.requires_grad_()
    ops.RoIPool(BINS, 0.5)(features, rois[-2:]).sum().backward()
    assert torch.equal(features.grad, torch.zeros_like(features))
