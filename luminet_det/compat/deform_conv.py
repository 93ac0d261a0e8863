"""Deformable convolution v1 and v2 under mmcv's names and signatures, on torchvision's kernel.

Both libraries order the offsets as y, x per kernel point and deformable group. mmcv's scratch buffers
(columns, ones) and its im2col_step only concern the memory of its own kernels and are not used.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from luminet_det.compat.precision import widened


class _Geometry(NamedTuple):
    """What torchvision's kernels take after the tensors, in their order."""

    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    groups: int
    deform_groups: int


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor, **shape: int
) -> None:
    """Fill ``output`` (N, O, H', W') with DCN v1 (arXiv:1703.06211) of ``input`` (N, I, H, W).

    Args:
        weight: (O, I / group, kH, kW).
        offset: (N, 2 * deformable_group * kH * kW, H', W').
        shape: kW, kH, dW, dH, padW, padH, dilationW, dilationH, group, deformable_group, im2col_step.
    """
    output.copy_(_forward(input, weight, offset, None, None, _v1_geometry(**shape)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **shape: int,
) -> None:
    """Add DCN v1's gradients to ``grad_input`` and ``grad_offset``."""
    grads = _backward(grad_output, input, weight, offset, None, _v1_geometry(**shape))
    grad_input += grads.input
    grad_offset += grads.offset


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float = 1,
    **shape: int,
) -> None:
    """Add ``scale`` times DCN v1's gradient to ``grad_weight``."""
    # The weight's own values do not enter its gradient, only its shape does.
    weight = torch.zeros_like(grad_weight)
    grads = _backward(grad_output, input, weight, offset, None, _v1_geometry(**shape))
    grad_weight += scale * grads.weight


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **shape: int,
) -> None:
    """Fill ``output`` (N, O, H', W') with DCN v2 (arXiv:1811.11168) of ``input`` (N, I, H, W).

    Args:
        weight: (O, I / group, kernel_h, kernel_w).
        bias: (O,), read when ``with_bias``.
        offset: (N, 2 * deformable_group * kernel_h * kernel_w, H', W').
        mask: (N, deformable_group * kernel_h * kernel_w, H', W'), the weight of each sample.
        shape: kernel, stride, pad and dilation, each _h and _w, group, deformable_group.

    Offsets and masks may come from a finer map than the output, as in DyHead; see `_read`.
    """
    bias = bias if with_bias else None
    offset, mask = (_read(tensor, output) for tensor in (offset, mask))
    output.copy_(_forward(input, weight, offset, mask, bias, _v2_geometry(**shape)))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **shape: int,
) -> None:
    """Add DCN v2's gradients to the five buffers; to ``grad_bias`` only if ``with_bias``."""
    read = [_read(tensor, grad_output) for tensor in (offset, mask)]
    grads = _backward(grad_output, input, weight, *read, _v2_geometry(**shape))
    grad_input += grads.input
    grad_weight += grads.weight
    grad_offset += _put_back(grads.offset, offset)
    grad_mask += _put_back(grads.mask, mask)
    if with_bias:
        grad_bias += grads.bias


def _read(tensor: Tensor, output: Tensor) -> Tensor:
    """The offsets or masks (N, C, H', W') that mmcv's kernel reads from (N, C, H, W) for an output (N, O, H', W').

    It reads each image's values in memory as if they had the output's size. If their size is larger, it reads the first
    C * H' * W' of them. Networks with published weights were trained like this.
    """
    channels, size = tensor.shape[1], output.shape[2:]
    if tensor.shape[2:].numel() <= size.numel():
        return tensor  # torchvision refuses it if it is not of the output's size
    values = tensor.flatten(1)[:, : channels * size.numel()]
    return values.unflatten(1, (channels, *size))


def _put_back(gradient: Tensor, tensor: Tensor) -> Tensor:
    """Turn the gradient for the output of `_read` into one for its input, 0 for values that it leaves out."""
    if gradient.shape == tensor.shape:
        return gradient
    whole = gradient.new_zeros(len(tensor), tensor[0].numel())
    values = gradient.flatten(1)
    whole[:, : values.shape[1]] = values
    return whole.view(tensor.shape)


def _v1_geometry(
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    **_unused: int,
) -> _Geometry:
    """Geometry from v1's argument names; the kernel size is read off the weight."""
    return _Geometry(dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)


def _v2_geometry(
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    **_unused: int,
) -> _Geometry:
    """Geometry from v2's argument names; the kernel size is read off the weight."""
    return _Geometry(stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)


class _Gradients(NamedTuple):
    """What torchvision's backward returns, in its order."""

    input: Tensor
    weight: Tensor
    offset: Tensor
    mask: Tensor
    bias: Tensor


def _forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: _Geometry,
) -> Tensor:
    """The convolution in float32 at least: (N, O, H', W')."""
    tensors = _kernel_tensors(input, weight, offset, mask, bias)
    return torch.ops.torchvision.deform_conv2d(*tensors, *geometry, mask is not None)


def _backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    geometry: _Geometry,
) -> _Gradients:
    """All gradients of the convolution, in float32 at least."""
    tensors = _kernel_tensors(input, weight, offset, mask, None)
    grad_output = grad_output.to(tensors[0].dtype)
    return _Gradients(
        *torch.ops.torchvision._deform_conv2d_backward(grad_output, *tensors, *geometry, mask is not None)
    )


def _kernel_tensors(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None
) -> list[Tensor]:
    """The kernel's five tensors in its order; a missing mask or bias becomes the zeros that it expects."""
    mask = input.new_zeros(len(input), 1) if mask is None else mask
    bias = input.new_zeros(len(weight)) if bias is None else bias
    return widened(input, weight, offset, mask, bias)
