"""The same key draws the same random numbers again, on the CPU and on a GPU; seeding skips absent devices."""

import random

import numpy as np
import pytest
import torch

from luminet_det import seeds


def drawn():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_a_key_draws_the_same_numbers_again_and_its_neighbour_draws_others():
    found = []
    for iteration in (3, 4, 3):
        seeds.seed_generators(0, seeds.STEP, 0, iteration)
        found.append(drawn())
    assert found[0] == found[2]
    assert all(a != b for a, b in zip(*found[:2], strict=True))


@pytest.mark.parametrize('device', ['cpu', 'cuda', 'npu'])
def test_a_key_draws_the_same_numbers_whatever_the_device(device, monkeypatch):
    seeds.seed_generators(0, seeds.STEP, 0, 3)
    expected = drawn()
    monkeypatch.setattr(seeds, 'get_device', lambda: device)
    seeds.seed_generators(0, seeds.STEP, 0, 3)
    assert drawn() == expected


@pytest.fixture
def generators(monkeypatch):
    """Two GPUs, the second of which is in use, with CPU generators in place of theirs."""
    found = torch.Generator(), torch.Generator()
    monkeypatch.setattr(seeds, 'get_device', lambda: 'cuda')
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: True)
    monkeypatch.setattr(torch.cuda, 'current_device', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'default_generators', found)
    return found


def test_the_gpu_in_use_is_seeded_and_what_it_draws_goes_with_the_key(generators):
    states = []
    for iteration in (3, 4, 3):
        seeds.seed_generators(0, seeds.STEP, 0, iteration)
        states.append([generator.initial_seed() for generator in generators])
    (other, first), (_, second), (_, third) = states
    assert first == third != second
    assert other == torch.Generator().initial_seed()


def test_seeding_asks_no_device_that_is_not_there(generators, monkeypatch):
    # On a GPU, each call took a third of a step, to record the caller's stack for a device that is never used.
    for name in ('xpu', 'mtia'):
        # torch 2.5 has none for MTIA.
        monkeypatch.setattr(
            getattr(torch, name), 'manual_seed_all', lambda seed: pytest.fail(f'asked {seed}'), raising=False
        )
    seeds.seed_generators(0, seeds.STEP, 0, 3)
