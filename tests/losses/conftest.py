"""Logits and targets of the test vectors for the published formulas: four rows, five classes, logits in float64."""

import pytest
import torch

ROW = torch.arange(4, dtype=torch.float64)[:, None]
CLASS = torch.arange(5, dtype=torch.float64)


@pytest.fixture
def student():
    return 2 * torch.cos(0.9 * ROW - 0.4 * CLASS + 0.1 * ROW * CLASS)


@pytest.fixture
def teacher():
    return 3 * torch.sin(1.3 * ROW + 0.7 * CLASS + 0.2 * ROW * CLASS)


@pytest.fixture
def target():
    return torch.tensor([0, 2, 4, 1])
