"""FiniteGuard: on a GPU a step's finding is read when the next one begins."""

import pytest
import torch

from luminet_det.distillation.finite import FiniteGuard


class OnGpu(torch.Tensor):
    """A tensor that says it is on a GPU, where looking at a value would stall the step."""

    device = property(lambda self: torch.device('cuda'))


def test_the_finding_waits_for_the_next_check_and_the_rows_count_as_zero_until_then():
    guard, rows = FiniteGuard(), torch.tensor([[1.0, 2.0], [float('nan'), 3.0]]).as_subclass(OnGpu)
    finite = torch.tensor([True, True])
    kept = guard.watch(rows, torch.tensor([0.0, 1.0]), finite, ['a.png', 'b.png'])
    assert kept.tolist() == [[1, 2], [0, 0]]
    with pytest.raises(FloatingPointError, match=r'1 image\(s\): b\.png'):
        guard.check()
    guard.check()


def test_on_the_cpu_it_is_read_at_once():
    rows = torch.tensor([[float('inf')]])
    with pytest.raises(FloatingPointError, match=r'a\.png'):
        FiniteGuard().watch(rows, torch.zeros(1), torch.tensor([True]), ['a.png'])


def test_an_image_whose_features_are_broken_is_blamed_before_those_it_spoilt():
    rows = torch.full((2, 3), float('nan'))
    with pytest.raises(FloatingPointError, match=r'1 image\(s\): b\.png'):
        FiniteGuard().watch(rows, torch.tensor([0.0, 1.0]), torch.tensor([True, False]), ['a.png', 'b.png'])
