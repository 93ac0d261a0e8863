"""Seeds: what each purpose, process and iteration of a run draws its random numbers from."""

import random

import numpy as np
import torch
from mmengine.device import get_device

# What a seed is for; no two purposes share one.
STEP, DATA = range(2)


def words(*key: int) -> np.ndarray:
    """Three 32-bit seeds that belong to `key`, unlike those of any neighbouring key."""
    return np.random.SeedSequence([abs(part) for part in key]).generate_state(3)


def seed_generators(*key: int) -> None:
    """Seed Python's, numpy's and torch's generators with what belongs to `key`."""
    first, second, third = words(*key)
    random.seed(int(first))
    np.random.seed(second)
    if get_device() not in ('cpu', 'cuda'):
        torch.manual_seed(int(third))
        return
    # `torch.manual_seed` would spend 0.1 to 0.3 ms on taking notes for devices that are not there.
    torch.default_generator.manual_seed(int(third))
    if torch.cuda.is_initialized():  # not so in a loader's processes, which have no use for it
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(int(third))
