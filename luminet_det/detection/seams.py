"""Seams: public methods of mmdet at which a training step is listened to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def shadowed(module: nn.Module, **methods: Callable) -> Iterator[None]:
    """Within the context, calls of these methods of `module` reach the given functions."""
    before = {name: vars(module)[name] for name in methods if name in vars(module)}
    # An instance attribute shadows the class's method.
    vars(module).update(methods)
    try:
        yield
    finally:
        for name in methods:
            del vars(module)[name]
        vars(module).update(before)
