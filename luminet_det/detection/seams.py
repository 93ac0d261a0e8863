"""Temporarily replace methods of a module, to record what passes through mmdet's public methods in a training step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def shadowed(module: nn.Module, **methods: Callable) -> Iterator[None]:
    """Within the context, calls of these methods of `module` go to the given functions instead."""
    before = {name: vars(module)[name] for name in methods if name in vars(module)}
    # An instance attribute shadows the class's method.
    vars(module).update(methods)
    try:
        yield
    finally:
        for name in methods:
            del vars(module)[name]
        vars(module).update(before)
