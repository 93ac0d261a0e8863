"""Seconds, ratios and peak memory."""

import gc
import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.memory import peak_bytes


def interleaved(variants: dict[str, Callable], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each run of each variant: one of each per repetition, after two repetitions of warm-up.

    Every second repetition runs in reverse order, so no variant always follows the same other one.
    """
    seconds = {name: [] for name in variants}
    gc.collect()
    gc.disable()  # a collection would fall on whichever variant comes last
    try:
        for repetition in range(-2, repeats):
            for name in list(variants)[:: -1 if repetition % 2 else 1]:
                _wait(device)
                start = time.perf_counter()
                variants[name]()
                _wait(device)
                if repetition >= 0:
                    seconds[name].append(time.perf_counter() - start)
            gc.collect()
    finally:
        gc.enable()
    return seconds


def ratio(of: list[float], to: list[float]) -> dict[str, float]:
    """Median and quartiles of the ratios within each repetition, where a busy machine slows both alike."""
    ratios = [a / b for a, b in zip(of, to, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method='inclusive') if len(ratios) > 1 else 3 * ratios
    return dict(median=round(median, 4), quartiles=[round(low, 4), round(high, 4)])


def peak(step: Callable, device: torch.device) -> int:
    """The most bytes that one call has allocated at a time, on top of those before it."""
    step()
    if device.type == 'cuda':
        gc.collect()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    return peak_bytes(step)


def weight_bytes(*models: torch.nn.Module) -> int:
    """Bytes of the weights and buffers of some models."""
    return sum(t.numel() * t.element_size() for model in models for t in model.state_dict().values())


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize()
