"""Bridges: learned layers that carry feature maps from one network into the space of another."""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class BatchStatistics(nn.Module):
    """BatchNorm that always uses the statistics of this process's batch.

    Processes cross different bridges, so a norm must not wait for other processes: a conversion to SyncBatchNorm does
    not find this class. If a channel has a single value, that is its own mean, and normalising leaves 0 of it.

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
    """A norm's output for a single value per channel, its own mean: the bias, with 0 as gradient of maps and weight."""
    return 0 * maps * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)


def bridge(source: Tensor, target: Tensor) -> nn.Sequential:
    """A 3x3 convolution without bias and a norm, from maps like `source` to maps like `target`.

    Where the target's sides are half as long, the convolution has stride 2; where they are twice as long, it is a 4x4
    transposed convolution of stride 2. The norm always uses the statistics of the batch, as bridges are used only in
    training. Convolutions are initialised from Kaiming's normal distribution (fan out), transposed ones by PyTorch's
    default.

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
