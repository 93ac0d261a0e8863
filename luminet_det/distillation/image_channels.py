"""How many channels the images of a model have."""

from torch import nn


def image_channels(model: nn.Module) -> int:
    """The first convolution's input channels; 3 if they are a multiple of 3, as a stem may stack pixels (Focus)."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    return 3 if first is None or first.in_channels % 3 == 0 else first.in_channels
