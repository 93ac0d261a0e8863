"""The model inside a wrapper that distributes it."""

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, with or without a wrapper such as DistributedDataParallel around it."""
    return model.module if is_model_wrapper(model) else model
