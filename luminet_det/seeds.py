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
    # Without a device, `torch.manual_seed` would spend 0.1 ms on taking notes for one.
    (torch.default_generator if get_device() == 'cpu' else torch).manual_seed(int(third))
