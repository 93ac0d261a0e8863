"""The maximum over the samples of each RoI bin, and which sample it was.

This is a running maximum over sample numbers: only one sample of each bin is in memory at a time, however many samples
the largest bin has, and a RoI takes part only while it has samples left.
"""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


def bin_maximum(
    values: Callable[[Tensor, int, int], Tensor], count_y: Tensor, count_x: Tensor, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Maximum over the count_y x count_x samples of every bin; among equal ones, the first in row-major order.

    Args:
        values: called as ``values(rois, iy, ix)``, returns sample (iy, ix) of every bin of those RoIs, shape
            (len(rois), P_h, P_w, C); what it returns beyond a bin's count is ignored.
        count_y: samples along y in each bin, (K, P_h), K at least 1.
        count_x: likewise along x, (K, P_w).
        like: any tensor with the values' dtype and last dimension C.

    Returns:
        the maximum and the winner's iy and ix, each (K, C, P_h, P_w). A bin without samples has 0, -1, -1;
        a NaN among the samples is the maximum.
    """
    maximum = like.new_zeros(len(count_y), count_y.size(1), count_x.size(1), like.size(-1))
    argmax_y, argmax_x = torch.full((2, *maximum.shape), -1, dtype=torch.int32, device=like.device)
    for iy, ix in product(range(int(count_y.max())), range(int(count_x.max()))):
        inside = (count_y[:, :, None] > iy) & (count_x[:, None, :] > ix)
        rois = inside.flatten(1).any(1).nonzero().squeeze(1)
        value, best = values(rois, iy, ix), maximum[rois]
        wins = (argmax_y[rois] < 0) | (value > best) | value.isnan()
        wins &= inside[rois].unsqueeze(-1)
        maximum[rois] = torch.where(wins, value, best)
        argmax_y[rois] = torch.where(wins, iy, argmax_y[rois])
        argmax_x[rois] = torch.where(wins, ix, argmax_x[rois])
    return tuple(result.permute(0, 3, 1, 2) for result in (maximum, argmax_y, argmax_x))
