import warnings

import numpy as np
import pytest
import torch

from luminet_det.losses.kd import KDLoss
from luminet_det.losses.lskd import LSKDLoss, standardized_rows


def random_logits(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_the_book(student, teacher, tau):
    """The loss at weight 1, row by row in numpy."""
    total = 0.0
    for rows in zip(student.numpy(), teacher.numpy(), strict=True):
        softened = [np.exp((row - row.mean()) / (row.std(ddof=1) + 1e-7) / tau) for row in rows]
        q, p = (each / each.sum() for each in softened)
        total += (p * np.log(p / q)).sum()
    return tau**2 * total / len(student)


def gradient_of(loss, student, teacher):
    student = student.detach().requires_grad_()
    return torch.autograd.grad(loss(student, teacher), student)[0]


# The standardised logits


def test_standardised_rows_have_mean_zero_and_unbiased_variance_one():
    rows = standardized_rows(random_logits(6, 50) * 4 + 7)
    torch.testing.assert_close(rows.mean(1), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(rows.var(1, correction=1), torch.ones(6, dtype=torch.float64), rtol=1e-6, atol=0)


def test_the_small_constant_is_added_outside_the_root():
    # The unbiased standard deviation of -d and d is d * sqrt(2), here 1e-7.
    row = torch.tensor([[-1.0, 1.0]], dtype=torch.float64) * 1e-7 / 2**0.5
    assert standardized_rows(row)[0, 1].item() == pytest.approx(0.5 / 2**0.5, rel=1e-9)


def test_rows_of_equal_logits_and_rows_of_one_class_are_zeros_without_a_gradient():
    for logits in (torch.full((3, 5), 7.3), torch.full((3, 100), 0.3), torch.tensor([[2.0], [-4.0]])):
        logits.requires_grad_()
        rows = standardized_rows(logits)
        (rows * torch.arange(rows.numel()).view_as(rows)).sum().backward()
        assert rows.abs().max() == 0
        assert logits.grad.abs().max() == 0


def test_no_rows_are_standardised_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert standardized_rows(torch.zeros(0, 5)).shape == (0, 5)


def test_large_logits_keep_their_deviation():
    logits = random_logits(8, 20)
    torch.testing.assert_close(
        standardized_rows((logits + 1e4).float()).double(), standardized_rows(logits), rtol=0, atol=5e-3
    )


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_half_precision_is_standardised_in_float32(half):
    logits = random_logits(8, 5).to(half)
    with torch.autocast('cpu', dtype=half):
        rows = standardized_rows(logits)
    assert rows.dtype == torch.float32
    assert torch.equal(rows, standardized_rows(logits.float()))


# The loss


def test_it_equals_the_reference(student, teacher):
    assert LSKDLoss(loss_weight=1.0)(student, teacher).item() == pytest.approx(0.75529847, rel=1e-7)
    assert LSKDLoss()(student.float(), teacher.float()).item() == pytest.approx(9 * 0.75529847, rel=1e-4)


@pytest.mark.parametrize('tau', [1.0, 2.0, 4.0])
def test_it_equals_numpy_row_by_row(tau):
    student, teacher = random_logits(7, 11), random_logits(7, 11, seed=1)
    expected = by_the_book(student, teacher, tau)
    assert LSKDLoss(tau, loss_weight=1.0)(student, teacher).item() == pytest.approx(expected, rel=1e-9)


def test_the_defaults_are_the_published():
    assert (LSKDLoss().tau, LSKDLoss().loss_weight) == (2.0, 9.0)


def test_it_is_kd_on_standardised_logits():
    student, teacher = random_logits(7, 11), random_logits(7, 11, seed=1)
    kd = KDLoss(tau=3.0)(standardized_rows(student), standardized_rows(teacher))
    torch.testing.assert_close(LSKDLoss(tau=3.0, loss_weight=1.0)(student, teacher), kd)


def test_scale_and_offset_of_a_row_do_not_matter_but_its_sign_does():
    student, teacher = random_logits(4, 9), random_logits(4, 9, seed=1)
    scale = torch.tensor([[0.5], [2.0], [30.0], [1.0]], dtype=torch.float64)
    offset = torch.tensor([[-40.0], [3.0], [0.0], [100.0]], dtype=torch.float64)
    plain = LSKDLoss()(student, teacher)
    torch.testing.assert_close(LSKDLoss()(student * scale + offset, teacher), plain, rtol=1e-5, atol=0)
    torch.testing.assert_close(LSKDLoss()(student, teacher * scale + offset), plain, rtol=1e-5, atol=0)
    assert LSKDLoss()(-student, teacher).item() != pytest.approx(plain.item(), rel=1e-2)


def test_a_student_equal_to_its_teacher_costs_nothing_and_hears_nothing():
    teacher = random_logits(6, 9)
    assert LSKDLoss()(teacher, teacher) == 0
    assert gradient_of(LSKDLoss(), teacher, teacher).abs().max() < 1e-12


@pytest.mark.parametrize('setting', ['tau', 'loss_weight'])
def test_each_setting_changes_the_value_and_refuses_what_is_out_of_range(student, teacher, setting):
    plain = LSKDLoss()(student, teacher).item()
    assert LSKDLoss(**{setting: 5.0})(student, teacher).item() != pytest.approx(plain, rel=1e-3)
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}=-1'):
        LSKDLoss(**{setting: -1})


def test_rows_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r'LSKDLoss compares rows .*student \(4, 5\) and teacher \(4, 6\)'):
        LSKDLoss()(torch.zeros(4, 5), torch.zeros(4, 6))


def test_it_has_no_form_for_classes_that_are_asked_one_by_one():
    assert not hasattr(LSKDLoss(), 'use_sigmoid')


def test_the_gradient_is_that_of_finite_differences():
    teacher = random_logits(5, 4, seed=1)
    assert torch.autograd.gradcheck(lambda logits: LSKDLoss()(logits, teacher), random_logits(5, 4).requires_grad_())


def test_the_gradient_reaches_the_student_alone():
    student, teacher = random_logits(5, 4).requires_grad_(), random_logits(5, 4, seed=1).requires_grad_()
    LSKDLoss()(student, teacher).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(half):
    student, teacher = random_logits(32, 7).to(half), random_logits(32, 7, seed=1).to(half)
    with torch.autocast('cpu', dtype=half):
        value = LSKDLoss()(student.requires_grad_(), teacher)
    assert value.dtype == torch.float32
    assert torch.equal(value, LSKDLoss()(student.float(), teacher.float()))
    expected = gradient_of(LSKDLoss(), student.float(), teacher.float())
    assert torch.equal(torch.autograd.grad(value, student)[0], expected.to(half))


def test_one_row_is_finite_and_no_rows_are_a_zero_attached_to_the_student():
    assert gradient_of(LSKDLoss(), random_logits(1, 5), random_logits(1, 5, seed=1)).isfinite().all()
    head = torch.nn.Linear(3, 5)
    value = LSKDLoss()(head(torch.zeros(0, 3)), torch.zeros(0, 5))
    value.backward()
    assert value == 0
    assert torch.equal(head.weight.grad, torch.zeros(5, 3))


def test_a_few_steps_of_descent_lower_it():
    student, teacher = random_logits(16, 10).requires_grad_(), random_logits(16, 10, seed=1)
    optimizer = torch.optim.SGD([student], lr=10.0)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = LSKDLoss()(student, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]
