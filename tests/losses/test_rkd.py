import numpy as np
import pytest
import torch

from luminet_det.losses.rkd import RKDLoss
from tests.losses.example_maps import maps

DISTANCE = dict(distance_weight=1.0, angle_weight=0.0)
ANGLE = dict(distance_weight=0.0, angle_weight=1.0)


def huber(student, teacher):
    gap = np.abs(student - teacher)
    return np.where(gap < 1, gap**2 / 2, gap - 0.5).mean()


def relations(embeddings):
    """Distances relative to their mean (B, B), and cosines of the angles at each embedding (B, B, B), in numpy."""
    number = len(embeddings)
    length = np.array([[np.linalg.norm(a - b) for b in embeddings] for a in embeddings])
    cosine = np.zeros((number, number, number))
    for i in range(number):
        for j in range(number):
            for k in range(number):
                if length[i, j] > 0 and length[i, k] > 0:
                    product = np.dot(embeddings[j] - embeddings[i], embeddings[k] - embeddings[i])
                    cosine[i, j, k] = product / length[i, j] / length[i, k]
    return length / (length.sum() / (number * (number - 1))), cosine


def value_and_gradient(loss, student, teacher):
    student = student.detach().clone().requires_grad_()
    value = loss(student, teacher)
    return value, torch.autograd.grad(value, student)[0]


@pytest.mark.parametrize(
    ('weights', 'expected'),
    [(DISTANCE, 0.05916311), (ANGLE, 0.04936366), (dict(), 25 * 0.05916311 + 50 * 0.04936366)],
)
def test_distance_angle_and_their_sum_equal_the_reference(student, teacher, weights, expected):
    loss = RKDLoss(**weights)
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-6)
    assert loss(student.float(), teacher.float()).item() == pytest.approx(expected, rel=1e-4)


def test_it_is_what_its_definition_says_for_embeddings_of_unlike_width():
    student, teacher = maps(7, 3), 5 * maps(7, 10, seed=1)
    (own, own_angle), (other, other_angle) = relations(student.numpy()), relations(teacher.numpy())
    assert RKDLoss(**DISTANCE)(student, teacher).item() == pytest.approx(huber(own, other), rel=1e-9)
    assert RKDLoss(**ANGLE)(student, teacher).item() == pytest.approx(huber(own_angle, other_angle), rel=1e-9)


def test_far_pairs_count_linearly():
    student = torch.tensor([[0.0], [1.0], [100.0]]).double()
    teacher = torch.tensor([[0.0], [100.0], [1.0]]).double()
    (own, _), (other, _) = relations(student.numpy()), relations(teacher.numpy())
    assert np.abs(own - other).max() > 1
    assert RKDLoss(**DISTANCE)(student, teacher).item() == pytest.approx(huber(own, other), rel=1e-9)


def test_normalize_compares_the_directions_of_the_embeddings():
    student, teacher = maps(6, 4), maps(6, 5, seed=1)
    unit = [e / e.norm(dim=1, keepdim=True) for e in (student, teacher)]
    loss = RKDLoss(normalize=True)
    torch.testing.assert_close(loss(student, teacher), RKDLoss()(*unit))
    assert loss(student, teacher).item() != pytest.approx(RKDLoss()(student, teacher).item(), rel=1e-2)
    scale = torch.linspace(0.1, 9, 6).double().unsqueeze(1)
    torch.testing.assert_close(loss(student * scale, teacher), loss(student, teacher))


def test_the_defaults_are_those_published_for_cifar():
    loss = RKDLoss()
    assert (loss.distance_weight, loss.angle_weight, loss.normalize, loss.loss_weight) == (25, 50, False, 1)
    assert 'distance_weight=25, angle_weight=50, normalize=False, loss_weight=1' in repr(loss)


def test_a_student_equal_to_its_teacher_costs_nothing():
    teacher = maps(6, 4)
    value, gradient = value_and_gradient(RKDLoss(), teacher, teacher)
    assert value == 0
    assert gradient.abs().max() < 1e-9


def test_neither_place_nor_scale_nor_rotation_of_the_student_matters():
    student, teacher = maps(6, 4), maps(6, 4, seed=1)
    rotation, _ = torch.linalg.qr(maps(4, 4, seed=2))
    plain = RKDLoss()(student, teacher)
    torch.testing.assert_close(RKDLoss()(3 * student @ rotation + 7, teacher), plain)
    assert RKDLoss()(student * torch.tensor([1, 1, 1, 5.0]), teacher).item() != pytest.approx(plain.item(), rel=1e-2)


def test_the_gradient_is_that_of_finite_differences_and_reaches_the_student_alone():
    student, teacher = maps(5, 3).requires_grad_(), maps(5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: RKDLoss()(e, teacher), student)
    RKDLoss()(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_the_gradient_flows_through_the_students_mean_distance():
    student, teacher = maps(5, 3), maps(5, 3, seed=1)
    _, gradient = value_and_gradient(RKDLoss(**DISTANCE), student, teacher)
    # The loss does not change with the student's scale, so its gradient along that direction is zero.
    assert abs((gradient * (student - student.mean(0))).sum()) < 1e-9 * gradient.abs().max()


@pytest.mark.parametrize('of', ['student', 'teacher', 'both'])
@pytest.mark.parametrize('apart', [0.0, 1e-9])
def test_two_equal_images_give_a_finite_gradient_of_the_usual_size(of, apart):
    pair = dict(student=maps(8, 4, dtype=torch.float32), teacher=maps(8, 4, seed=1, dtype=torch.float32))
    _, usual = value_and_gradient(RKDLoss(), **pair)
    for name in pair if of == 'both' else [of]:
        pair[name] = pair[name].clone()
        pair[name][3] = pair[name][5] = 0
        pair[name][3, 0] = apart
    value, gradient = value_and_gradient(RKDLoss(), **pair)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 10 * usual.abs().max()


@pytest.mark.parametrize('of', ['student', 'teacher', 'both'])
@pytest.mark.parametrize('images', [1, 2])
def test_normalize_leaves_an_embedding_of_zeros_with_a_gradient_of_the_usual_size(of, images):
    loss = RKDLoss(normalize=True)
    pair = dict(student=maps(8, 4, dtype=torch.float32), teacher=maps(8, 4, seed=1, dtype=torch.float32))
    _, usual = value_and_gradient(loss, **pair)
    for name in pair if of == 'both' else [of]:
        pair[name] = pair[name].clone()
        pair[name][:images] = 0
    value, gradient = value_and_gradient(loss, **pair)
    assert value.isfinite()
    assert gradient.abs().max() < 10 * usual.abs().max()


def test_near_images_far_from_the_origin_keep_their_distance():
    student, teacher = maps(6, 4), maps(6, 4, seed=1)
    exact = RKDLoss()(student, teacher).item()
    assert RKDLoss()((student + 1e3).float(), teacher.float()).item() == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize('number', [0, 1, 2])
def test_without_relations_it_is_a_zero_that_is_attached_to_the_student(number):
    value, gradient = value_and_gradient(RKDLoss(), maps(number, 4), maps(number, 3, seed=1))
    assert value.abs() < 1e-12
    assert gradient.isfinite().all()
    assert gradient.shape == (number, 4)


def test_a_student_whose_embeddings_are_all_equal_has_a_finite_gradient():
    value, gradient = value_and_gradient(RKDLoss(), torch.ones(4, 3), maps(4, 3, dtype=torch.float32))
    assert value > 0
    assert gradient.isfinite().all()


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(half):
    # Their squares overflow float16.
    student, teacher = (300 * maps(6, 4, seed=i).to(half) for i in (0, 1))
    with torch.autocast('cpu', dtype=half):
        value = RKDLoss()(student.requires_grad_(), teacher)
    (gradient,) = torch.autograd.grad(value, student)
    expected = value_and_gradient(RKDLoss(), student.float(), teacher.float())
    assert value.dtype == torch.float32
    assert torch.equal(value, expected[0])
    assert torch.equal(gradient, expected[1].to(half))


@pytest.mark.parametrize(('angle_weight', 'largest'), [(0.0, 6 * 6 * 3), (1.0, 6 * 6 * 6)])
def test_without_angles_none_are_kept(angle_weight, largest):
    kept = []
    student = torch.randn(6, 3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        RKDLoss(angle_weight=angle_weight)(student, torch.randn(6, 3))
    assert max(kept) == largest


def test_a_few_steps_of_sgd_make_it_fall():
    student, teacher = maps(8, 3).requires_grad_(), maps(8, 5, seed=1)
    optimizer = torch.optim.SGD([student], lr=0.05)
    values = []
    for _ in range(50):
        optimizer.zero_grad()
        values.append(RKDLoss()(student, teacher))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize('weight', ['distance_weight', 'angle_weight', 'loss_weight'])
def test_each_weight_changes_the_value_and_is_refused_below_zero(student, teacher, weight):
    plain = RKDLoss()(student, teacher)
    assert RKDLoss(**{weight: 100.0})(student, teacher) > 1.2 * plain
    assert RKDLoss(**{weight: 0})(student, teacher) < plain
    with pytest.raises(ValueError, match=f'{weight} must be .*got {weight}=-1'):
        RKDLoss(**{weight: -1})


@pytest.mark.parametrize('teacher', [(5, 3), (6, 3, 1), (6,)])
def test_what_are_no_embeddings_of_the_same_images_is_refused_with_both_shapes(teacher):
    with pytest.raises(ValueError, match=r'\(B, D\) of the same B images; got student \(6, 4\) and teacher') as error:
        RKDLoss()(maps(6, 4), maps(*teacher))
    assert str(error.value).endswith(str(teacher))
