import numpy as np
import pytest
import torch

from luminet_det.losses.sp import SPLoss
from tests.losses.example_maps import maps, vectors


def similarities(level):
    rows = level.reshape(len(level), -1)
    found = np.array([[(a * b).sum() for b in rows] for a in rows])
    return found / np.sqrt((found**2).sum(1, keepdims=True))


def expected(student, teacher, weight=3000):
    difference = similarities(teacher.numpy()) - similarities(student.numpy())
    return weight / len(student) ** 2 * (difference**2).sum()


def value_and_gradient(loss, student, teacher):
    student = student.detach().clone().requires_grad_()
    value = loss(student, teacher)
    return value, torch.autograd.grad(value, student)[0]


def of_vectors(*images):
    return torch.tensor(images, dtype=torch.float64)[..., None, None]


def test_two_images_by_hand():
    # The teacher's images have nothing in common, so G is (1, 0), (0, 1); the student's images are equal.
    teacher, student = of_vectors([2.0, 0, 0], [0, 0, 5.0]), of_vectors([1.0, 1.0], [1.0, 1.0])
    by_hand = 2 * ((1 - 0.5**0.5) ** 2 + 0.5) / 4
    assert SPLoss(1.0)(student, teacher).item() == pytest.approx(by_hand)
    # Q Q^T is ((1, 1), (1, 2)); divided by the norms of its rows, it is no longer symmetric.
    student = of_vectors([1.0, 0], [1.0, 1.0])
    by_hand = ((1 - 0.5**0.5) ** 2 + 0.5 + 0.2 + (1 - 0.8**0.5) ** 2) / 4
    assert SPLoss(1.0)(student, teacher).item() == pytest.approx(by_hand)


@pytest.mark.parametrize('images', [2, 3, 7])
def test_it_is_the_formula_whatever_the_shapes(images):
    for student, teacher in (
        (maps(images, 3, 4, 4), maps(images, 3, 4, 4, seed=1)),
        (maps(images, 2, 4, 6), maps(images, 5, 2, 3, seed=1)),
        (maps(images, 5, 1, 1), maps(images, 2, 8, 8, seed=1)),
    ):
        assert SPLoss()(student, teacher).item() == pytest.approx(expected(student, teacher), rel=1e-9)


def test_the_published_vectors_equal_the_reference_in_both_precisions():
    student, teacher = vectors()
    reference = expected(student, teacher, 1.0)
    assert SPLoss(1.0)(student, teacher).item() == pytest.approx(reference, rel=1e-9)
    assert SPLoss(1.0)(student.float(), teacher.float()).item() == pytest.approx(reference, rel=1e-4)


def test_the_default_weight_is_the_published_one():
    assert SPLoss().loss_weight == 3000
    assert 'loss_weight=3000' in repr(SPLoss())


def test_a_student_equal_to_its_teacher_costs_nothing():
    teacher = maps(4, 3, 4, 4)
    value, gradient = value_and_gradient(SPLoss(), teacher, teacher)
    assert value == 0
    assert gradient.abs().max() < 1e-9


def test_neither_scale_nor_order_of_values_matters_but_that_of_one_image_does():
    student, teacher = maps(4, 3, 4, 4), maps(4, 5, 2, 2, seed=1)
    plain = SPLoss()(student, teacher)
    for other in (-student, 30 * student, student.flip(1), student.flip(2, 3)):
        torch.testing.assert_close(SPLoss()(other, teacher), plain)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(SPLoss()(student[order], teacher[order]), plain)
    assert SPLoss()(student[order], teacher).item() != pytest.approx(plain.item(), rel=1e-2)
    scale = torch.tensor([10.0, 1, 1, 1]).double().view(4, 1, 1, 1)
    assert SPLoss()(student * scale, teacher).item() != pytest.approx(plain.item(), rel=1e-2)


def test_the_gradient_is_that_of_finite_differences_and_reaches_the_student_alone():
    student, teacher = maps(4, 2, 3, 3).requires_grad_(), maps(4, 3, 2, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda level: SPLoss()(level, teacher), student)
    SPLoss()(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(half):
    # Their products overflow float16.
    student, teacher = (300 * maps(4, 3, 4, 4, seed=i).to(half) for i in (0, 1))
    with torch.autocast('cpu', dtype=half):
        value = SPLoss()(student.requires_grad_(), teacher)
    # The backward pass is outside autocast, as in training; inside, its matrix products would be in half precision.
    gradient = torch.autograd.grad(value, student)[0]
    reference = value_and_gradient(SPLoss(), student.float(), teacher.float())
    assert value.isfinite()
    assert value.dtype == torch.float32
    assert torch.equal(value, reference[0])
    assert torch.equal(gradient, reference[1].to(half))


@pytest.mark.parametrize('images', [0, 1])
@pytest.mark.parametrize('scale', [1.0, 0.0])
def test_one_image_and_none_have_nothing_to_compare(images, scale):
    student, teacher = scale * maps(images, 3, 4, 4), maps(images, 5, 2, 2, seed=1)
    value, gradient = value_and_gradient(SPLoss(), student, teacher)
    # An image of zeros has a similarity of 0 even to itself, where the teacher has 1.
    assert value.item() == pytest.approx(3000 if images and not scale else 0, abs=1e-9)
    assert gradient.abs().sum() < 1e-6
    assert gradient.shape == student.shape


@pytest.mark.parametrize('dead', [[0], [0, 2], [0, 1, 2, 3]])
@pytest.mark.parametrize('of', ['student', 'teacher', 'both'])
def test_a_dead_image_gives_a_finite_value_and_a_gradient_of_moderate_size(dead, of):
    student, teacher = maps(4, 3, 4, 4, dtype=torch.float32), maps(4, 3, 4, 4, seed=1, dtype=torch.float32)
    _, usual = value_and_gradient(SPLoss(1.0), student, teacher)
    for name, level in (('student', student), ('teacher', teacher)):
        if of in (name, 'both'):
            level[dead] = 0
    value, gradient = value_and_gradient(SPLoss(1.0), student, teacher)
    assert value.isfinite()
    # If the zero norm were replaced by a small number, the gradient would be about 1e12.
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1e3 * usual.abs().max()


def test_constant_maps_give_a_finite_value_and_gradient():
    value, gradient = value_and_gradient(SPLoss(), torch.ones(4, 3, 2, 2), maps(4, 3, 4, 4, dtype=torch.float32))
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_a_few_steps_of_sgd_make_it_fall():
    student, teacher = maps(6, 3, 4, 4).requires_grad_(), maps(6, 5, 2, 2, seed=1)
    optimizer = torch.optim.SGD([student], lr=0.2)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        values.append(SPLoss(30.0)(student, teacher))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.5 * values[0]


def test_the_weight_scales_the_loss_and_is_refused_below_zero():
    student, teacher = maps(3, 2, 3, 3), maps(3, 2, 3, 3, seed=1)
    torch.testing.assert_close(SPLoss(3.0)(student, teacher), 3 * SPLoss(1.0)(student, teacher))
    with pytest.raises(ValueError, match='loss_weight must be .*got loss_weight=-1'):
        SPLoss(loss_weight=-1)


def test_maps_of_other_images_are_refused_with_their_shapes():
    with pytest.raises(ValueError, match=r'same N images; got student \(2, 3, 4, 4\) and teacher \(3, 3, 4, 4\)'):
        SPLoss()(maps(2, 3, 4, 4), maps(3, 3, 4, 4))
