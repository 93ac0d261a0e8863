"""PendingFlags: what a step finds out on a GPU is read on the host once it has arrived."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

# Flags that may be on their way from a GPU before the oldest is waited for.
PENDING = 16


class Flag(NamedTuple):
    """A flag that may still be on its way.

    Attributes:
        value: A bool on the host.
        copied: What tells that it is there; None if it is.
        of: What belongs to it.
    """

    value: Tensor
    copied: torch.cuda.Event | None
    of: Any


class PendingFlags:
    """Flags of the latest steps, the oldest first.

    To look at a value on a GPU would stall every step, so each is copied to the host beside the work, and read a step
    or two later; on the CPU it can be read at once.
    """

    def __init__(self) -> None:
        self._flags: list[Flag] = []

    def add(self, value: Tensor, of: Any) -> None:
        """Have a flag read later: a bool of no dimension, and what belongs to it."""
        copied = None
        if value.is_cuda:
            value, copied = value.to('cpu', non_blocking=True), torch.cuda.Event()
            copied.record()
        self._flags.append(Flag(value, copied, of))

    def raised(self, wait: bool = False) -> list:
        """What belongs to the flags that have arrived and are True; each is told once.

        Args:
            wait: For all flags, also those that have not arrived.
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
