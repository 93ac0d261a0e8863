"""RoIAlign (arXiv:1703.06870) under mmcv's names and signatures.

The average runs on torchvision's kernels. torchvision has no maximum, so that is computed in torch from the same
samples. Shapes: K RoIs as (image, x1, y1, x2, y2) on N maps of C channels, P_h x P_w bins each.
"""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from luminet_det.compat.bin_maximum import bin_maximum
from luminet_det.compat.precision import widened

MAX = 0  # mmcv's pool_mode; 1 is the average


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (K, C, P_h, P_w) with the average or the maximum of the bilinear samples in each bin.

    For the maximum, ``argmax_y`` and ``argmax_x`` receive the number of the winning sample along each axis of
    its bin, -1 for a bin without samples, whose maximum is 0. mmcv's own kernels store coordinates there. Numbers
    are exact in half precision too, while coordinates can be off by a pixel or more, which would send the gradient
    to the wrong pixels.
    """
    features, boxes = widened(input, rois)
    bins = (aligned_height, aligned_width)
    if pool_mode != MAX:
        dtype = output.dtype
        # mmcv passes zeros of the output's size; their memory is freed before torchvision allocates as much.
        output.set_()
        pooled = torch.ops.torchvision.roi_align(features, boxes, spatial_scale, *bins, sampling_ratio, aligned)
        output.set_(pooled.to(dtype))
    elif output.numel():
        samples = _samples(boxes, features.shape[2:], bins, spatial_scale, sampling_ratio, aligned)
        for buffer, result in zip((output, argmax_y, argmax_x), _maximum(features, boxes, *samples), strict=True):
            buffer.copy_(result)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the forward's gradient to ``grad_input`` (N, C, H, W); a maximum's goes to its winning sample."""
    grad, boxes = widened(grad_output, rois)
    bins, shape = (aligned_height, aligned_width), grad_input.shape
    if pool_mode != MAX:
        grad_input += torch.ops.torchvision._roi_align_backward(
            grad, boxes, spatial_scale, *bins, *shape, sampling_ratio, aligned
        )
    elif grad.numel():
        samples = _samples(boxes, shape[2:], bins, spatial_scale, sampling_ratio, aligned)
        grad_input += _maximum_grad(grad, boxes, argmax_y.long(), argmax_x.long(), shape, *samples)


class _Samples(NamedTuple):
    """The samples of every bin along one axis: sample s of bin p of RoI k lies between two pixels."""

    # (K, P): how many samples a bin has.
    count: Tensor
    # The lower and the upper pixel and their weights, each (K, P, S); S is the largest count.
    neighbours: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


def _samples(
    boxes: Tensor,
    size: tuple[int, int],
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> tuple[_Samples, _Samples]:
    """Samples along y and x; ``aligned`` shifts RoIs by half a pixel, otherwise they are at least a pixel long."""
    x1, y1, x2, y2 = (boxes[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)).unbind(dim=1)
    smallest = -torch.inf if aligned else 1.0
    return (
        _axis_samples(y1, (y2 - y1).clamp(min=smallest), size[0], bins[0], sampling_ratio),
        _axis_samples(x1, (x2 - x1).clamp(min=smallest), size[1], bins[1], sampling_ratio),
    )


def _axis_samples(start: Tensor, length: Tensor, size: int, bins: int, sampling_ratio: int) -> _Samples:
    """Samples of RoIs (K,) on an axis of ``size`` pixels, evenly spaced in each bin.

    A bin has ``sampling_ratio`` of them, or ceil(its length) if that is 0.
    """
    step = (length / bins)[:, None, None]
    count = torch.full_like(step, sampling_ratio) if sampling_ratio > 0 else step.ceil().clamp(min=0)
    bin_number = torch.arange(bins, device=start.device)[:, None]
    sample = torch.arange(max(1, int(count.max())), device=start.device)
    position = start[:, None, None] + bin_number * step + (sample + 0.5) * step / count.clamp(min=1)

    # A sample up to a pixel outside the map takes the border's value; further out it is 0.
    reached = ((position >= -1) & (position <= size)).to(position.dtype)
    position = position.clamp(0, size - 1)
    low = position.floor()
    high = (low + 1).clamp(max=size - 1)
    upper = position - low
    neighbours = ((low.long(), reached * (1 - upper)), (high.long(), reached * upper))
    return _Samples(count.squeeze(2).expand(-1, bins), neighbours)


def _maximum(features: Tensor, boxes: Tensor, y: _Samples, x: _Samples) -> tuple[Tensor, Tensor, Tensor]:
    """The largest bilinear sample of each bin and its numbers along y and x, each (K, C, P_h, P_w)."""
    image = boxes[:, 0].long()[:, None, None]
    pixels = features.permute(0, 2, 3, 1).contiguous()  # gathers whole channel vectors

    def bilinear(rois: Tensor, iy: int, ix: int) -> Tensor:
        value = 0
        for (row, row_weight), (column, column_weight) in product(y.neighbours, x.neighbours):
            weight = row_weight[rois, :, None, iy] * column_weight[rois, None, :, ix]
            pixel = pixels[image[rois], row[rois, :, None, iy], column[rois, None, :, ix]]
            value = value + weight[..., None] * pixel
        return value

    return bin_maximum(bilinear, y.count, x.count, like=pixels)


def _maximum_grad(
    grad: Tensor, boxes: Tensor, iy: Tensor, ix: Tensor, shape: torch.Size, y: _Samples, x: _Samples
) -> Tensor:
    """Each bin's gradient (K, C, P_h, P_w) on the four pixels of its winning sample: (N, C, H, W)."""
    grid = (torch.arange(length, device=grad.device) for length in grad.shape)
    roi, channel, bin_y, bin_x = torch.meshgrid(*grid, indexing='ij')
    plane = boxes[:, 0].long()[roi] * shape[1] + channel
    grad = grad * (iy >= 0)  # a bin without samples has no winner
    flat = grad.new_zeros(shape).flatten()
    for (row, row_weight), (column, column_weight) in product(y.neighbours, x.neighbours):
        pixel = (plane * shape[2] + row[roi, bin_y, iy]) * shape[3] + column[roi, bin_x, ix]
        share = grad * row_weight[roi, bin_y, iy] * column_weight[roi, bin_x, ix]
        flat.index_add_(0, pixel.flatten(), share.flatten())
    return flat.view(shape)
