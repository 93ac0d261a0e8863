"""FiniteGuard: on a GPU the result of a step's check is read once it has arrived, so the step does not wait for it."""

import pytest
import torch

from luminet_det.distillation.finite import FiniteGuard, Look
from luminet_det.distillation.pending_flags import PENDING, Flag


class OnGpu(torch.Tensor):
    """A tensor on the CPU that says it is on a GPU, where reading a value would stall the step."""

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


class OnItsWay:
    """Stands in for the CUDA event of a copy that has not arrived yet."""

    here = False

    def query(self):
        return self.here

    def synchronize(self):
        self.here = True


def pending(guard, count, arrived):
    broken = torch.tensor([True])
    finding = Look(broken, torch.tensor([0]), torch.tensor([True]), ['a.png'])
    guard._looks._flags += [Flag(broken.any(), arrived, finding)] * count


def test_a_step_does_not_wait_for_a_finding_that_has_not_arrived():
    guard, arrived = FiniteGuard(), OnItsWay()
    pending(guard, 1, arrived)
    guard.check()
    arrived.here = True
    with pytest.raises(FloatingPointError, match=r'a\.png'):
        guard.check()


@pytest.mark.parametrize(('count', 'wait'), [(PENDING + 1, False), (1, True)])
def test_it_is_waited_for_at_the_end_and_when_too_many_are_pending(count, wait):
    guard = FiniteGuard()
    pending(guard, count, OnItsWay())
    with pytest.raises(FloatingPointError, match=r'a\.png'):
        guard.check(wait)
    guard.check(wait=True)
