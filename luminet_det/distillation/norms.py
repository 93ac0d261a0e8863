"""Have BatchNorms use a batch's own statistics without updating their running ones."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Every BatchNorm of a module."""
    return [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]


@contextmanager
def batch_statistics(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Within the context, these norms use the mean and variance of the batch; their running statistics do not change.

    The batch is that of this process: processes may take different paths through a network, so no norm synchronises.
    """
    remembered = [(norm, norm.training, norm.running_mean, norm.running_var) for norm in norms]
    try:
        for norm, *_ in remembered:
            # In eval mode a norm without running statistics uses those of the batch, and does not synchronise.
            norm.training, norm.running_mean, norm.running_var = False, None, None
        yield
    finally:
        for norm, training, mean, variance in remembered:
            norm.training, norm.running_mean, norm.running_var = training, mean, variance
