import numpy as np
import pytest
import torch

from luminet_det.losses.dist import DISTLoss

INTER = dict(intra_weight=0.0)
INTRA = dict(inter_weight=0.0)


def random_logits(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_the_book(student, teacher, tau):
    """The parts inter and intra, without the factor tau**2, from numpy's own correlation coefficient."""
    q, p = (np.exp(logits.numpy() / tau) for logits in (student, teacher))
    q, p = q / q.sum(1, keepdims=True), p / p.sum(1, keepdims=True)
    return tuple(
        1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one, other, strict=True)])
        for one, other in ((q, p), (q.T, p.T))
    )


def gradient_of(loss, student, teacher):
    student = student.detach().requires_grad_()
    return torch.autograd.grad(loss(student, teacher), student)[0]


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        (dict(INTER, loss_weight=1 / 16), 1.04847824),
        (dict(INTRA, loss_weight=1 / 16), 0.94887217),
        (dict(loss_weight=1.0), 31.957607),
        ({}, 63.915213),
    ],
)
def test_its_parts_and_their_sum_equal_the_reference(student, teacher, settings, expected):
    loss = DISTLoss(tau=4.0, **settings)
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-7)
    assert loss(student.float(), teacher.float()).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('tau', [1.0, 4.0])
def test_its_parts_equal_numpys_correlation(tau):
    student, teacher = random_logits(9, 6), random_logits(9, 6, seed=1)
    inter, intra = by_the_book(student, teacher, tau)
    for settings, expected in ((INTER, inter), (INTRA, intra), (dict(inter_weight=2, intra_weight=3), None)):
        expected = 2 * inter + 3 * intra if expected is None else expected
        found = DISTLoss(tau, **settings, loss_weight=1.0)(student, teacher)
        # They differ only by the 1e-8 that keeps a constant row finite.
        assert found.item() == pytest.approx(tau**2 * expected, rel=1e-5)


def test_the_defaults_are_the_published():
    loss = DISTLoss()
    assert (loss.tau, loss.inter_weight, loss.intra_weight, loss.loss_weight) == (1.0, 1.0, 1.0, 2.0)


@pytest.mark.parametrize('setting', ['tau', 'inter_weight', 'intra_weight', 'loss_weight'])
def test_each_setting_changes_the_value_and_refuses_negatives(student, teacher, setting):
    plain = DISTLoss()(student, teacher).item()
    assert DISTLoss(**{setting: 5.0})(student, teacher).item() != pytest.approx(plain, rel=1e-2)
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}=-1'):
        DISTLoss(**{setting: -1})


def test_rows_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r'DISTLoss compares rows .*student \(4, 5\) and teacher \(4, 6\)'):
        DISTLoss()(torch.zeros(4, 5), torch.zeros(4, 6))


def test_it_has_no_form_for_classes_that_are_asked_one_by_one():
    assert not hasattr(DISTLoss(), 'use_sigmoid')


def test_a_student_equal_to_its_teacher_costs_nothing_and_hears_nothing():
    teacher = random_logits(20, 6)
    assert DISTLoss()(teacher, teacher).item() == pytest.approx(0, abs=1e-6)
    assert gradient_of(DISTLoss(), teacher, teacher).abs().max() < 1e-6


def test_an_offset_of_a_row_and_the_order_of_rows_do_not_matter():
    student, teacher = random_logits(8, 6), random_logits(8, 6, seed=1)
    plain = DISTLoss()(student, teacher)
    order = torch.arange(8).flip(0)
    torch.testing.assert_close(DISTLoss()(student + random_logits(8, 1, seed=2), teacher), plain)
    torch.testing.assert_close(DISTLoss()(student[order], teacher[order]), plain)
    assert DISTLoss()(student[order], teacher).item() != pytest.approx(plain.item(), rel=1e-2)


def test_probabilities_that_are_a_linear_map_of_the_teachers_cost_nothing_by_row():
    teacher = random_logits(8, 6)
    probabilities = 0.3 * teacher.softmax(1) + 0.7 / 6
    loss = DISTLoss(**INTER)
    assert loss(probabilities.log(), teacher).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('constant', [0.0, 7.3, -1e4])
@pytest.mark.parametrize('of', ['rows', 'columns', 'everything'])
def test_constant_rows_and_columns_are_finite_in_value_and_gradient(constant, of):
    student, teacher = random_logits(16, 6).float(), random_logits(16, 6, seed=1).float()
    where = dict(rows=(slice(2, 5),), columns=(slice(None), 3), everything=(slice(None),))[of]
    student[where] = constant
    for each in (teacher, student):
        gradient = gradient_of(DISTLoss(), student, each)
        assert DISTLoss()(student, each).isfinite()
        assert gradient.isfinite().all()


def test_one_row_has_no_columns_to_correlate():
    student, teacher = random_logits(1, 6), random_logits(1, 6, seed=1)
    assert DISTLoss(**INTRA, loss_weight=1.0)(student, teacher) == 1
    assert gradient_of(DISTLoss(**INTRA), student, teacher).abs().max() == 0
    assert gradient_of(DISTLoss(), student, teacher).isfinite().all()


def test_no_rows_are_a_zero_attached_to_the_student():
    head = torch.nn.Linear(3, 5)
    value = DISTLoss()(head(torch.zeros(0, 3)), torch.zeros(0, 5))
    value.backward()
    assert value == 0
    assert torch.equal(head.weight.grad, torch.zeros(5, 3))


def test_the_gradient_is_that_of_finite_differences():
    teacher = random_logits(5, 4, seed=1)
    loss = DISTLoss(tau=2.0, inter_weight=0.5)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, teacher), random_logits(5, 4).requires_grad_())


def test_the_gradient_reaches_the_student_alone():
    student, teacher = random_logits(5, 4).requires_grad_(), random_logits(5, 4, seed=1).requires_grad_()
    DISTLoss()(student, teacher).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(half):
    student, teacher = random_logits(32, 7).to(half), random_logits(32, 7, seed=1).to(half)
    with torch.autocast('cpu', dtype=half):
        value = DISTLoss()(student.requires_grad_(), teacher)
    assert value.dtype == torch.float32
    assert torch.equal(value, DISTLoss()(student.float(), teacher.float()))
    expected = gradient_of(DISTLoss(), student.float(), teacher.float())
    assert torch.equal(torch.autograd.grad(value, student)[0], expected.to(half))


def test_a_few_steps_of_descent_lower_it():
    student, teacher = random_logits(16, 10).requires_grad_(), random_logits(16, 10, seed=1)
    optimizer = torch.optim.SGD([student], lr=10.0)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = DISTLoss(tau=4.0)(student, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]


def test_its_settings_are_printed():
    assert 'tau=1, loss_weight=2, inter_weight=1, intra_weight=1' in repr(DISTLoss())
