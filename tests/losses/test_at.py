import numpy as np
import pytest
import torch

from luminet_det.losses.at import ATLoss
from tests.losses.example_maps import maps, vectors


def attention(level):
    values = (level**2).mean(1).reshape(len(level), -1)
    return values / np.sqrt((values**2).sum(1, keepdims=True))


def pooled(level, size):
    n, c, h, w = level.shape
    return level.reshape(n, c, size, h // size, size, w // size).mean((3, 5))


def value_and_gradient(loss, student, teacher):
    student = student.detach().clone().requires_grad_()
    value = loss([student], [teacher])
    return value, torch.autograd.grad(value, student)[0]


def test_a_stage_equals_the_reference():
    student, teacher = vectors()
    assert ATLoss(loss_weight=1.0)([student], [teacher]).item() == pytest.approx(0.02564692, rel=1e-6)
    assert ATLoss()([student.float()], [teacher.float()]).item() == pytest.approx(25.64692, rel=1e-4)


def test_the_default_weight_is_the_published_one():
    assert ATLoss().loss_weight == 1000
    assert 'loss_weight=1000' in repr(ATLoss())


def test_stages_are_added_and_channels_may_differ():
    student, teacher = (maps(3, 4, 6, 6), maps(3, 2, 3, 3)), (maps(3, 7, 6, 6, seed=1), maps(3, 2, 3, 3, seed=1))
    parts = [
        ((attention(own.numpy()) - attention(other.numpy())) ** 2).mean()
        for own, other in zip(student, teacher, strict=True)
    ]
    assert ATLoss()(student, teacher).item() == pytest.approx(1000 * sum(parts), rel=1e-9)


def test_the_larger_map_is_pooled_before_the_square_whichever_it_is():
    large, small = maps(2, 3, 8, 8), maps(2, 5, 4, 4, seed=1)
    before = ((attention(pooled(large.numpy(), 4)) - attention(small.numpy())) ** 2).mean()
    after = ((attention(pooled(large.numpy() ** 2, 4) ** 0.5) - attention(small.numpy())) ** 2).mean()
    assert before != pytest.approx(after, rel=1e-2)
    for pair in ((large, small), (small, large)):
        assert ATLoss(loss_weight=1.0)(pair[:1], pair[1:]).item() == pytest.approx(before, rel=1e-9)


def test_a_map_that_is_higher_and_one_that_is_wider_are_both_pooled():
    student, teacher = maps(2, 3, 8, 4), maps(2, 3, 4, 8, seed=1)
    value = ATLoss(loss_weight=1.0)([student], [teacher]).item()
    own = student.numpy().reshape(2, 3, 4, 2, 4).mean(3)
    other = teacher.numpy().reshape(2, 3, 4, 4, 2).mean(4)
    assert value == pytest.approx(((attention(own) - attention(other)) ** 2).mean(), rel=1e-9)


def test_a_student_equal_to_its_teacher_costs_nothing():
    teacher = maps(2, 3, 4, 4)
    value, gradient = value_and_gradient(ATLoss(), teacher, teacher)
    assert value == 0
    assert gradient.abs().max() < 1e-9


def test_neither_sign_nor_order_of_channels_matters_nor_the_scale_of_an_image():
    student, teacher = maps(2, 3, 4, 4), maps(2, 3, 4, 4, seed=1)
    plain = ATLoss()([student], [teacher])
    scale = torch.tensor([0.1, 30.0]).double().view(2, 1, 1, 1)
    for other in (-student, student.flip(1), student * scale):
        torch.testing.assert_close(ATLoss()([other], [teacher]), plain)
    assert ATLoss()([student.flip(2)], [teacher]).item() != pytest.approx(plain.item(), rel=1e-2)


def test_the_gradient_is_that_of_finite_differences_and_reaches_the_student_alone():
    student, teacher = maps(2, 2, 4, 4).requires_grad_(), maps(2, 3, 2, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda level: ATLoss()([level], [teacher]), student)
    ATLoss()([student], [teacher]).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(half):
    # Their squares overflow float16.
    student, teacher = (300 * maps(2, 3, 4, 4, seed=i).to(half) for i in (0, 1))
    with torch.autocast('cpu', dtype=half):
        value, gradient = value_and_gradient(ATLoss(), student, teacher)
    expected = value_and_gradient(ATLoss(), student.float(), teacher.float())
    assert value.dtype == torch.float32
    assert torch.equal(value, expected[0])
    assert torch.equal(gradient, expected[1].to(half))


@pytest.mark.parametrize('shape', [(1, 3, 4, 4), (1, 3, 1, 1), (0, 3, 4, 4)])
@pytest.mark.parametrize('scale', [1.0, 0.0])
def test_one_image_one_pixel_no_image_and_a_dead_map_give_finite_values_and_gradients(shape, scale):
    teacher = maps(*shape, seed=1, dtype=torch.float32)
    value, gradient = value_and_gradient(ATLoss(), scale * maps(*shape, dtype=torch.float32), teacher)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient.shape == shape
    assert len(teacher) or value == 0


def test_a_few_steps_of_sgd_make_it_fall():
    student, teacher = maps(4, 3, 4, 4).requires_grad_(), maps(4, 3, 4, 4, seed=1)
    optimizer = torch.optim.SGD([student], lr=0.5)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        values.append(ATLoss()([student], [teacher]))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.5 * values[0]


def test_the_weight_scales_the_loss_and_is_refused_below_zero():
    student, teacher = [maps(1, 2, 3, 3)], [maps(1, 2, 3, 3, seed=1)]
    torch.testing.assert_close(ATLoss(3.0)(student, teacher), 3 * ATLoss(1.0)(student, teacher))
    with pytest.raises(ValueError, match='loss_weight must be .*got loss_weight=-1'):
        ATLoss(loss_weight=-1)


def test_lists_of_different_length_are_refused_with_what_to_write():
    level = maps(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r'ATLoss .* got 3 and 4\. Choose them in the term: stages=\[...\]'):
        ATLoss()([level] * 3, [level] * 4)


def test_maps_of_other_images_are_refused_with_their_shapes():
    with pytest.raises(ValueError, match=r'same N images; got student \(2, 3, 4, 4\) and teacher \(3, 3, 4, 4\)'):
        ATLoss()([maps(2, 3, 4, 4)], [maps(3, 3, 4, 4)])
