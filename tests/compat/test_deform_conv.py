"""Deformable convolution v1 and v2 compared with loops over outputs, channels and kernel points."""

import importlib
import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from luminet_det.compat import deform_conv, mmcv_ops

mmcv_ops.install()
ops = importlib.import_module('mmcv.ops')

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
HALF = [torch.float16, torch.bfloat16]
# stride, padding, dilation (each y, x), groups, deformable groups
GEOMETRIES = [
    ((1, 1), (0, 0), (1, 1), 1, 1),
    ((2, 1), (1, 2), (1, 1), 1, 1),
    ((1, 1), (2, 1), (2, 1), 1, 2),
    ((1, 2), (1, 1), (1, 1), 2, 1),
    ((2, 2), (1, 1), (1, 1), 2, 2),
]


def reference_sample(plane, y, x):
    """Bilinear value at (y, x) of a map given as nested lists, zero everywhere outside."""
    value = 0.0
    for row, column in itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)):
        if 0 <= row < len(plane) and 0 <= column < len(plane[0]):
            value += plane[row][column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return value


def reference_deform_conv(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups):
    batch, _, out_h, out_w = offset.shape
    out_channels, group_channels, kernel_h, kernel_w = weight.shape
    output = x.new_zeros(batch, out_channels, out_h, out_w)
    planes, offsets, weights = x.tolist(), offset.tolist(), weight.tolist()
    for n, o, i, j in itertools.product(*map(range, output.shape)):
        total = 0.0 if bias is None else float(bias[o])
        for c, p, q in itertools.product(range(group_channels), range(kernel_h), range(kernel_w)):
            channel = o // (out_channels // groups) * group_channels + c
            point = channel // (x.size(1) // deform_groups) * kernel_h * kernel_w + p * kernel_w + q
            at_y = i * stride[0] - padding[0] + p * dilation[0] + offsets[n][2 * point][i][j]
            at_x = j * stride[1] - padding[1] + q * dilation[1] + offsets[n][2 * point + 1][i][j]
            modulation = 1.0 if mask is None else float(mask[n, point, i, j])
            total += weights[o][c][p][q] * modulation * reference_sample(planes[n][channel], at_y, at_x)
        output[n, o, i, j] = total
    return output


def example(geometry, kernel=(3, 2), dtype=torch.float64, device='cpu', size=(5, 4)):
    """Input, offset, mask, weight and bias for a geometry; some offsets reach beyond the map."""
    stride, padding, dilation, groups, deform_groups = geometry
    generator = torch.Generator().manual_seed(0)
    out = [(size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in range(2)]
    points = deform_groups * kernel[0] * kernel[1]
    tensors = (
        torch.randn(2, 4, *size, generator=generator, dtype=torch.float64),
        torch.randn(2, 2 * points, *out, generator=generator, dtype=torch.float64) * 1.5,
        torch.rand(2, points, *out, generator=generator, dtype=torch.float64),
        torch.randn(2, 4 // groups, *kernel, generator=generator, dtype=torch.float64),
        torch.randn(2, generator=generator, dtype=torch.float64),
    )
    return [tensor.to(device, dtype) for tensor in tensors]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_v1_equals_the_loop(geometry, dtype, device):
    x, offset, _, weight, _ = example(geometry, dtype=dtype, device=device)
    output = ops.deform_conv2d(x, offset, weight, *geometry)
    expected = reference_deform_conv(x, offset, None, weight, None, *geometry)
    assert output.dtype == dtype
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_v2_equals_the_loop(geometry, with_bias, dtype, device):
    x, offset, mask, weight, bias = example(geometry, dtype=dtype, device=device)
    bias = bias if with_bias else None
    output = ops.modulated_deform_conv2d(x, offset, mask, weight, bias, *geometry)
    expected = reference_deform_conv(x, offset, mask, weight, bias, *geometry)
    assert output.dtype == dtype
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_v1_gradients_are_the_derivatives(geometry):
    x, offset, _, weight, _ = (t.requires_grad_() for t in example(geometry, size=(4, 3)))
    assert torch.autograd.gradcheck(
        lambda *tensors: ops.deform_conv2d(*tensors, *geometry), (x, offset, weight), fast_mode=True
    )


@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_v2_gradients_are_the_derivatives(geometry, with_bias):
    tensors = [t.requires_grad_() for t in example(geometry, size=(4, 3))]
    tensors = tensors if with_bias else [*tensors[:-1], None]
    assert torch.autograd.gradcheck(
        lambda *tensors: ops.modulated_deform_conv2d(*tensors, *geometry), tensors, fast_mode=True
    )


def of_a_finer_map(tensor, size):
    """A larger map in which each image's memory begins with the values of `tensor` (N, C, H, W); the rest is random."""
    finer = torch.randn(*tensor.shape[:2], *size, dtype=tensor.dtype, generator=torch.Generator().manual_seed(1))
    finer.view(len(tensor), -1)[:, : tensor[0].numel()] = tensor.flatten(1)
    return finer


def test_v2_reads_offsets_of_a_finer_map_as_mmcvs_kernels_do():
    x, offset, mask, weight, bias = example(GEOMETRIES[0])
    expected = ops.modulated_deform_conv2d(x, offset, mask, weight, bias, *GEOMETRIES[0])
    size = [2 * length for length in offset.shape[2:]]
    finer = [of_a_finer_map(tensor, size).requires_grad_() for tensor in (offset, mask)]
    assert torch.equal(ops.modulated_deform_conv2d(x, *finer, weight, bias, *GEOMETRIES[0]), expected)
    assert torch.autograd.gradcheck(
        lambda *read: ops.modulated_deform_conv2d(x, *read, weight, bias, *GEOMETRIES[0]), finer, fast_mode=True
    )
    with pytest.raises(RuntimeError, match='offset output dims'):
        ops.modulated_deform_conv2d(x, offset[..., 1:], mask[..., 1:], weight, bias, *GEOMETRIES[0])


def test_gradients_of_the_plainest_geometry_are_the_derivatives_entry_by_entry():
    x, offset, _, weight, _ = (t.requires_grad_() for t in example(GEOMETRIES[0], size=(4, 3)))
    assert torch.autograd.gradcheck(ops.deform_conv2d, (x, offset, weight))


@pytest.mark.parametrize('frozen', ['input and offset', 'weight'])
def test_v1_gradients_are_the_same_whichever_are_asked_for(frozen):
    x, offset, _, weight, _ = example(GEOMETRIES[0])
    tensors = {'input and offset': [weight], 'weight': [x, offset]}[frozen]
    everything = [t.requires_grad_() for t in (x, offset, weight)]
    full = torch.autograd.grad(ops.deform_conv2d(*everything).square().sum(), tensors)
    for tensor in everything:
        tensor.requires_grad_(any(tensor is t for t in tensors))
    part = torch.autograd.grad(ops.deform_conv2d(*everything).square().sum(), tensors)
    for a, b in zip(part, full, strict=True):
        torch.testing.assert_close(a, b)


def test_v1_weight_gradient_is_scaled_and_added_to_what_the_buffer_holds():
    x, offset, _, weight, _ = example(GEOMETRIES[0])
    grad_output = torch.ones_like(ops.deform_conv2d(x, offset, weight))
    shape = dict(kW=2, kH=3, dW=1, dH=1, padW=0, padH=0, dilationW=1, dilationH=1)
    shape |= dict(group=1, deformable_group=1, im2col_step=2)
    buffers = []
    for start, scale in ((0, 1), (5, 3)):
        buffers.append(torch.full_like(weight, start))
        empty = x.new_empty(0)
        deform_conv.deform_conv_backward_parameters(
            x, offset, grad_output, buffers[-1], empty, empty, scale=scale, **shape
        )
    torch.testing.assert_close(buffers[1], 5 + 3 * buffers[0])


@pytest.mark.parametrize('step', [1, 2, 32])
def test_the_im2col_step_does_not_change_the_output(step):
    x, offset, _, weight, _ = example(GEOMETRIES[0])
    output = ops.deform_conv2d(x, offset, weight, 1, 0, 1, 1, 1, False, step)
    assert torch.equal(output, ops.deform_conv2d(x, offset, weight))


def test_without_offsets_it_is_an_ordinary_convolution():
    x = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    v1 = ops.DeformConv2d(4, 6, 3, stride=2, padding=1, groups=2)
    v2 = ops.ModulatedDeformConv2d(4, 6, 3, stride=2, padding=1, groups=2)
    offset, mask = torch.zeros(2, 18, 3, 3), torch.ones(2, 9, 3, 3)
    plain = dict(stride=2, padding=1, groups=2)
    torch.testing.assert_close(v1(x, offset), F.conv2d(x, v1.weight, **plain))
    torch.testing.assert_close(v2(x, offset, mask), F.conv2d(x, v2.weight, v2.bias, **plain))


def test_an_input_smaller_than_the_kernel_is_padded_as_mmcv_does():
    x = torch.randn(1, 2, 2, 2, generator=torch.Generator().manual_seed(2))
    conv = ops.DeformConv2d(2, 3, 3, padding=1)
    torch.testing.assert_close(conv(x, torch.zeros(1, 18, 2, 2)), F.conv2d(x, conv.weight, padding=1))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('pack', [ops.DeformConv2dPack, ops.ModulatedDeformConv2dPack])
def test_half_types_stay_close_to_float32_under_amp(pack, dtype, device):
    torch.manual_seed(3)
    conv = pack(4, 4, 3, padding=1).to(device)
    torch.nn.init.normal_(conv.conv_offset.weight, std=0.05)
    x = torch.randn(2, 4, 6, 5, device=device)
    gradients = []
    for enabled in (True, False):
        conv.zero_grad()
        with torch.autocast(device, dtype=dtype, enabled=enabled):
            output = conv(x)
        output.float().square().mean().backward()
        gradients.append((output, conv.weight.grad.clone(), conv.conv_offset.weight.grad.clone()))
    (half, *half_grads), (wide, *wide_grads) = gradients
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), wide, rtol=5e-2, atol=5e-2)
    for a, b in zip(half_grads, wide_grads, strict=True):
        assert F.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.98
