"""RoIPool (arXiv:1504.08083) under mmcv's names and signatures.

The forward pass is written in torch, because torchvision's bins differ from mmcv's: torchvision first rounds a RoI to
whole pixels of the map, mmcv only rounds the ends of each bin. Shapes: K RoIs as (image, x1, y1, x2, y2) on N maps of
C channels, P_h x P_w bins each.
"""

import torch
from torch import Tensor

from luminet_det.compat.bin_maximum import bin_maximum
from luminet_det.compat.precision import widened


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``output`` (K, C, P_h, P_w) with each bin's largest pixel and ``argmax`` with that pixel's y * W + x.

    A bin without pixels gives 0 and argmax -1.
    """
    if output.numel() == 0:
        return
    features, boxes = widened(input, rois)
    height, width = features.shape[2:]
    corners = (boxes[:, 1:] + boxes.new_tensor([0, 0, 1, 1])) * spatial_scale
    x1, y1, x2, y2 = corners.unbind(dim=1)
    top, rows = _bin_pixels(y1, y2, pooled_height, height)
    left, columns = _bin_pixels(x1, x2, pooled_width, width)
    image = boxes[:, 0].long()[:, None, None]
    pixels = features.permute(0, 2, 3, 1).contiguous()  # gathers whole channel vectors

    def pixel(rois: Tensor, iy: int, ix: int) -> Tensor:
        y = (top[rois] + iy).clamp(max=height - 1)[:, :, None]
        x = (left[rois] + ix).clamp(max=width - 1)[:, None, :]
        return pixels[image[rois], y, x]

    maximum, iy, ix = bin_maximum(pixel, rows, columns, like=pixels)
    output.copy_(maximum)
    position = (top[:, None, :, None] + iy) * width + left[:, None, None, :] + ix
    argmax.copy_(torch.where(iy < 0, -1, position))


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add each bin's gradient to ``grad_input`` (N, C, H, W) at the pixel that won it."""
    grad, boxes = widened(grad_output, rois)
    grad_input += torch.ops.torchvision._roi_pool_backward(
        grad, boxes, argmax, spatial_scale, pooled_height, pooled_width, *grad_input.shape
    )


def _bin_pixels(start: Tensor, end: Tensor, bins: int, size: int) -> tuple[Tensor, Tensor]:
    """First pixel and pixel count of each bin, (K, bins) long, of RoIs (K,) on an axis of ``size`` pixels.

    Bin p covers floor(start + p step) up to ceil(start + (p + 1) step), clipped to the map; no pixels if the RoI is
    empty.
    """
    length = (end - start)[:, None]
    edges = torch.arange(bins + 1, device=start.device) * (length / bins) + start[:, None]
    first = edges[:, :-1].floor().clamp(0, size)
    count = (edges[:, 1:].ceil().clamp(0, size) - first).clamp(min=0)
    return first.long(), (count * (length > 0)).long()
