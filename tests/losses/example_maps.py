"""Feature maps for tests: random ones, and the test vectors for the published formulas."""

import torch


def maps(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def vectors():
    """The test vectors: a map of the student and one of the teacher, each of two images, three channels, 4 x 4."""
    n, c, h, w = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) for size in (2, 3, 4, 4)), indexing='ij')
    student = torch.sin(0.5 * n + 0.3 * c + 0.7 * h - 0.2 * w + 0.1)
    teacher = torch.cos(0.2 * n - 0.6 * c + 0.4 * h + 0.5 * w)
    return student, teacher
