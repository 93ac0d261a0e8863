"""Bridges: learned layers that carry feature maps from one network into the space of another."""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class BatchStatistics(nn.Module):
    """BatchNorm by the statistics of this process's batch alone.

    Processes cross different bridges, so they must not meet at a norm: this is none that a conversion to SyncBatchNorm
    would find. The one value of a channel that has no other is its own mean, and 0 is left of it.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        if maps.numel() <= maps.shape[1]:
            return bias_alone(self, maps)
        return batch_norm(maps, None, None, self.weight, self.bias, training=True)


def bias_alone(norm: nn.Module, maps: Tensor) -> Tensor:
    """What a norm leaves of one value a channel, which is its own mean: its bias, attached to all that a norm is."""
    return 0 * maps * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)


def bridge(source: Tensor, target: Tensor) -> nn.Sequential:
    """A 3x3 convolution without bias and a norm, from maps like `source` to maps like `target`.

    Where the target's sides are half as long the convolution has stride 2; where they are twice as long it is a
    transposed one, 4x4 of stride 2. The norm always takes the statistics of the batch: nothing is bridged outside
    training. Convolutions start from Kaiming's normal distribution (fan out), transposed ones as PyTorch's own.

    Args:
        source: An example (N, C, H, W).
        target: An example (N, D, H', W').

    Raises:
        ValueError: The sides are neither equal nor half nor twice as long.
    """
    channels, out_channels = source.shape[1], target.shape[1]
    sides = list(zip(source.shape[2:], target.shape[2:], strict=True))
    if all(own == other for own, other in sides):
        layer = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
    elif all((own + 1) // 2 == other for own, other in sides):
        layer = nn.Conv2d(channels, out_channels, 3, stride=2, padding=1, bias=False)
    elif all(own * 2 == other for own, other in sides):
        layer = nn.ConvTranspose2d(channels, out_channels, 4, stride=2, padding=1, bias=False)
    else:
        raise ValueError(
            f'maps of {_size(source)} cannot be bridged to {_size(target)}: the sides must be equal, half or twice as '
            'long'
        )
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')
    return nn.Sequential(layer, BatchStatistics(out_channels)).to(source.device)


def _size(maps: Tensor) -> str:
    return f'{maps.shape[2]}x{maps.shape[3]}'
