import numpy as np
import pytest
import torch

from luminet_det.losses.cwd import CWDLoss


def maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def adapted(student, teacher, **settings):
    loss = CWDLoss(**settings).double()
    loss.adapt(student, teacher)
    return loss.double()


def compare(student, teacher, **settings):
    return adapted((student,), (teacher,), **settings)((student,), (teacher,))


def published_maps():
    n, c, h, w = np.ogrid[:2, :3, :4, :4]
    student = np.sin(0.5 * n + 0.3 * c + 0.7 * h - 0.2 * w + 0.1)
    teacher = np.cos(0.2 * n - 0.6 * c + 0.4 * h + 0.5 * w)
    return torch.from_numpy(student), torch.from_numpy(teacher)


def by_the_book(student, teacher, tau):
    """The loss at weight 1, image by image and channel by channel, in numpy."""
    images, channels = student.shape[:2]
    total = 0.0
    for n in range(images):
        for c in range(channels):
            own, other = (np.exp(m[n, c].numpy().ravel() / tau) for m in (student, teacher))
            own, other = own / own.sum(), other / other.sum()
            total += (other * np.log(other / own)).sum()
    return tau**2 * total / (images * channels)


@pytest.mark.parametrize(('tau', 'expected'), [(1, 0.16579138), (4, 0.19280592)])
def test_the_loss_of_the_reference_maps_equals_the_reference(tau, expected):
    assert compare(*published_maps(), tau=tau, loss_weight=1).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('tau', [0.5, 1, 3])
def test_the_loss_is_the_mean_kl_of_the_channels(tau):
    student, teacher = 2 * maps(3, 4, 5, 7), maps(3, 4, 5, 7, seed=1)
    expected = by_the_book(student, teacher, tau)
    assert compare(student, teacher, tau=tau, loss_weight=1).item() == pytest.approx(expected, rel=1e-9)


def test_the_levels_are_added():
    students, teachers = ((maps(2, 3, 4, 4, seed=s), maps(2, 6, 2, 3, seed=s)) for s in (0, 1))
    alone = [compare(*level) for level in zip(students, teachers, strict=True)]
    assert adapted(students, teachers)(students, teachers).item() == pytest.approx(sum(alone).item(), rel=1e-12)


def test_equal_maps_and_an_offset_of_a_channel_cost_nothing():
    student, teacher = maps(2, 3, 4, 4), maps(2, 3, 4, 4, seed=1)
    offset = maps(2, 3, 1, 1, seed=2)
    assert compare(student, student).item() == 0
    assert compare(student, student + offset).item() == pytest.approx(0, abs=1e-12)
    assert compare(student + offset, teacher).item() == pytest.approx(compare(student, teacher).item(), rel=1e-9)
    assert compare(student, 2 * student) > 0.1


def test_the_gradient_is_that_of_finite_differences_and_reaches_the_student_alone():
    student, teacher = maps(2, 2, 3, 3).requires_grad_(), maps(2, 2, 3, 3, seed=1).requires_grad_()
    loss = adapted((student,), (teacher,), tau=2.0)
    assert torch.autograd.gradcheck(lambda s: loss((s,), (teacher,)), student)
    loss((student,), (teacher,)).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize('shape', [(1, 3, 4, 4), (1, 3, 1, 1), (2, 1, 1, 5), (0, 3, 4, 4)])
def test_one_image_one_position_and_no_image_give_finite_values_and_gradients(shape):
    student, teacher = maps(*shape).requires_grad_(), maps(*shape, seed=1)
    loss = compare(student, teacher)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
    if 0 in shape or shape[2:] == (1, 1):
        assert loss == 0


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_half_precision_is_compared_in_float32(half):
    student, teacher = (maps(2, 3, 100, 100, seed=i).to(half) for i in (0, 1))
    with torch.autocast('cpu', dtype=half):
        found = compare(student, teacher)
    assert found.dtype == torch.float32
    assert torch.equal(found, compare(student.float(), teacher.float()))
    assert found.item() == pytest.approx(10 * by_the_book(student.double(), teacher.double(), 1), rel=1e-4)


def test_activations_of_any_size_stay_finite():
    student, teacher = 1e4 * maps(1, 2, 4, 4).float().requires_grad_(), -1e4 * maps(1, 2, 4, 4).float()
    student.retain_grad()
    loss = compare(student, teacher)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_temperature_and_weight_change_the_loss_and_are_checked():
    student, teacher = maps(2, 3, 4, 4), maps(2, 3, 4, 4, seed=1)
    assert compare(student, teacher, loss_weight=3).item() == pytest.approx(0.3 * compare(student, teacher).item())
    assert compare(student, teacher, tau=2) != compare(student, teacher)
    assert 'tau=2, loss_weight=3' in repr(CWDLoss(tau=2, loss_weight=3))
    with pytest.raises(ValueError, match='tau must be a finite number above 0, got tau=0'):
        CWDLoss(tau=0)
    with pytest.raises(ValueError, match='loss_weight must be'):
        CWDLoss(loss_weight=-1)


def test_the_loss_falls_as_the_student_follows_it():
    student, teacher = maps(2, 3, 4, 4).requires_grad_(), maps(2, 3, 4, 4, seed=1)
    loss = adapted((student,), (teacher,))
    optimizer = torch.optim.SGD([student], lr=1)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        values.append(loss((student,), (teacher,)))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < values[0] / 5
