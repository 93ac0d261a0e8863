import numpy as np
import pytest
import torch

from luminet_det.losses import PKDLoss
from tests.losses.example_maps import vectors


def maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_loss_equals_the_reference():
    student, teacher = vectors()
    loss = PKDLoss(loss_weight=1.0)
    assert loss(student, teacher).item() == pytest.approx(1.15124140, rel=1e-7)
    assert loss(student.float(), teacher.float()).item() == pytest.approx(1.15124140, rel=1e-4)


def test_the_loss_is_one_minus_the_correlation_of_each_channel():
    student, teacher = maps(2, 5, 3, 4), 3 * maps(2, 5, 3, 4, seed=1) + 2
    n = 2 * 3 * 4
    rows = [m.transpose(0, 1).flatten(1).numpy() for m in (student, teacher)]
    correlation = np.mean([np.corrcoef(s, t)[0, 1] for s, t in zip(*rows, strict=True)])
    assert PKDLoss(loss_weight=6.0)(student, teacher).item() == pytest.approx(
        6 * (n - 1) / n * (1 - correlation), rel=1e-5
    )


def test_scale_and_offset_of_a_channel_do_not_matter():
    student, teacher = maps(2, 3, 4, 4), maps(2, 3, 4, 4, seed=1)
    scale, offset = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in ([0.5, 2, 10], [-3.0, 0, 5]))
    torch.testing.assert_close(
        PKDLoss()(student * scale + offset, teacher), PKDLoss()(student, teacher), rtol=1e-4, atol=0
    )
    assert PKDLoss()(student, student * scale + offset) < 1e-6
    assert PKDLoss()(student, -student) > 2 * PKDLoss()(student, teacher)


def test_the_gradient_is_that_of_finite_differences_and_reaches_the_student_alone():
    student, teacher = maps(2, 2, 2, 3).requires_grad_(), maps(2, 2, 2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: PKDLoss()(s, teacher), student)
    PKDLoss()(student, teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize('shape', [(1, 3, 1, 1), (2, 3, 4, 4), (0, 3, 4, 4)])
def test_a_constant_channel_a_single_value_and_no_image_give_finite_gradients(shape):
    student, teacher = torch.ones(shape, requires_grad=True), maps(*shape).float()
    value = PKDLoss()(student, teacher)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


def beside_others(channel, dtype):
    """Maps (4, 3, 2, 2) of a student, the first channel with the 16 values given, and of a teacher."""
    student = torch.cat([channel.double().view(4, 1, 2, 2), maps(4, 2, 2, 2)], dim=1)
    return student.to(dtype).requires_grad_(), maps(4, 3, 2, 2, seed=1).to(dtype)


@pytest.mark.parametrize(
    ('channel', 'dtype'),
    [
        (torch.full((16,), 0.3), torch.float32),
        (torch.full((16,), 0.3), torch.float64),
        (0.3 + 1e-7 * maps(16), torch.float32),
        (torch.zeros(16), torch.float32),
        (torch.tensor([1.0, 1.001] * 8), torch.bfloat16),
        (torch.tensor([0.3, 0.3001] * 8), torch.float16),
    ],
)
def test_a_channel_that_is_constant_but_for_rounding_has_neither_value_nor_gradient(channel, dtype):
    student, teacher = beside_others(channel, dtype)
    value = PKDLoss()(student, teacher)
    gradient = torch.autograd.grad(value, student)[0]
    assert gradient[:, 0].abs().max() == 0
    # The other channels compare as they do without it; the teacher's first channel is compared with 0.
    rest = PKDLoss()(student[:, 1:], teacher[:, 1:])
    assert value.item() == pytest.approx((2 * rest.item() + 6 / 2 * 15 / 16) / 3, rel=1e-5)
    torch.testing.assert_close(gradient, 2 / 3 * torch.autograd.grad(rest, student)[0])


@pytest.mark.parametrize(
    ('channel', 'dtype'),
    [
        (torch.tensor([1.0, 1.0 + 2**-7] * 8), torch.bfloat16),
        (torch.tensor([1.0] * 15 + [1.0 + 2**-10]), torch.float16),
        (1 + 1e-4 * maps(16), torch.float32),
        (1e-4 * maps(16), torch.float32),
    ],
)
def test_a_channel_of_small_deviation_counts_if_its_precision_tells_its_values_apart(channel, dtype):
    student, teacher = beside_others(channel, dtype)
    value = PKDLoss()(student, teacher)
    exact = student.detach().double()
    exact[:, 0] = 1e4 * (exact[:, 0] - exact[:, 0].mean())
    assert value.item() == pytest.approx(PKDLoss()(exact, teacher.double()).item(), rel=2e-2)
    assert 0 < torch.autograd.grad(value, student)[0].norm() < 1e4


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_half_precision_is_compared_in_float32(half):
    student, teacher = (100 * maps(2, 3, 8, 8, seed=i).to(half) for i in (0, 1))
    with torch.autocast('cpu', dtype=half):
        loss = PKDLoss()(student, teacher)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, PKDLoss()(student.float(), teacher.float()))


def test_the_weight_scales_the_loss_and_is_refused_below_zero():
    student, teacher = maps(1, 2, 3, 3), maps(1, 2, 3, 3, seed=1)
    assert PKDLoss(loss_weight=3.0)(student, teacher) == 3 * PKDLoss(loss_weight=1.0)(student, teacher)
    assert 'loss_weight=3' in repr(PKDLoss(loss_weight=3.0))
    with pytest.raises(ValueError, match='loss_weight must be'):
        PKDLoss(loss_weight=-1)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r'PKDLoss compares feature maps.*\(1, 2, 3, 3\) and teacher \(1, 4, 3, 3\)'):
        PKDLoss()(maps(1, 2, 3, 3), maps(1, 4, 3, 3))
