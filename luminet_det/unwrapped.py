"""The model inside what distributes it."""

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, whether DistributedDataParallel or the like is around it or not."""
    return model.module if is_model_wrapper(model) else model
