"""PendingFlags: flags computed on a GPU are read on the host once they have arrived there."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

# How many flags may be on their way from a GPU before `raised` waits for the oldest.
PENDING = 16


class Flag(NamedTuple):
    """A flag that may still be on its way.

    Attributes:
        value: A bool on the host.
        copied: CUDA event that tells when the value has arrived; None if it was on the host from the start.
        of: The object that belongs to the flag.
    """

    value: Tensor
    copied: torch.cuda.Event | None
    of: Any


class PendingFlags:
    """Flags of the latest steps, the oldest first.

    Reading a value on a GPU would stall every step, so each flag is copied to the host asynchronously and read a step
    or two later. A flag on the CPU can be read at once.
    """

    def __init__(self) -> None:
        self._flags: list[Flag] = []

    def add(self, value: Tensor, of: Any) -> None:
        """Add a flag to read later: a 0-dimensional bool, and the object that belongs to it."""
        copied = None
        if value.is_cuda:
            value, copied = value.to('cpu', non_blocking=True), torch.cuda.Event()
            copied.record()
        self._flags.append(Flag(value, copied, of))

    def raised(self, wait: bool = False) -> list:
        """The objects of the flags that have arrived and are True; each is returned once.

        Args:
            wait: Whether to wait for flags that have not arrived yet.
        """
        found = []
        while self._flags:
            value, copied, of = self._flags[0]
            if copied is not None:
                if not wait and len(self._flags) <= PENDING and not copied.query():
                    break
                copied.synchronize()
            self._flags.pop(0)
            if value:
                found.append(of)
        return found
