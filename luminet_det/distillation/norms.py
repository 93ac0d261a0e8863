"""Norms that pass a batch by its own statistics and remember nothing of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Every BatchNorm of a module."""
    return [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]


@contextmanager
def batch_statistics(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Within the context, these norms take mean and variance of the batch, and their running statistics stay.

    Those of the batch of this process: processes that take different ways through a network meet at no norm of it.
    """
    remembered = [(norm, norm.training, norm.running_mean, norm.running_var) for norm in norms]
    try:
        for norm, *_ in remembered:
            # In evaluation a norm that has no running statistics takes the batch's, and synchronises nothing.
            norm.training, norm.running_mean, norm.running_var = False, None, None
        yield
    finally:
        for norm, training, mean, variance in remembered:
            norm.training, norm.running_mean, norm.running_var = training, mean, variance
