"""Seeds: what each purpose, process and iteration of a run draws its random numbers from."""

import random

import numpy as np
import torch
from mmengine.device import get_device

# What a seed is for; no two purposes share one.
STEP, DATA = range(2)


def words(*key: int) -> np.ndarray:
    """Three 32-bit seeds derived from `key`, unrelated to those of neighbouring keys."""
    return np.random.SeedSequence([abs(part) for part in key]).generate_state(3)


def seed_generators(*key: int) -> None:
    """Seed Python's, numpy's and torch's generators with the seeds of `key`."""
    first, second, third = words(*key)
    random.seed(int(first))
    np.random.seed(second)
    if get_device() not in ('cpu', 'cuda'):
        torch.manual_seed(int(third))
        return
    # `torch.manual_seed` would spend 0.1 to 0.3 ms on queueing calls for devices that are not there.
    torch.default_generator.manual_seed(int(third))
    if torch.cuda.is_initialized():  # it is not in loader processes, which do not need it
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(int(third))
