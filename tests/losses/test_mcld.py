import numpy as np
import pytest
import torch

from luminet_det.losses.mcld import MCLDLoss

INSTANCE = dict(sample_weight=0.0, category_weight=0.0)
SAMPLE = dict(instance_weight=0.0, category_weight=0.0)
CATEGORY = dict(instance_weight=0.0, sample_weight=0.0)
every_part = pytest.mark.parametrize('part', [INSTANCE, SAMPLE, CATEGORY, dict(CATEGORY, center_categories=True), {}])


def random_logits(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rows(number, classes=7, seed=0):
    target = torch.randint(classes, (number,), generator=torch.Generator().manual_seed(seed))
    return random_logits(number, classes, seed=seed), random_logits(number, classes, seed=seed + 1), target


def info_nce(student, teacher, tau, negatives):
    """The mean over rows i of -log softmax of the teacher's row i among itself and rows `negatives(i)`, in numpy."""
    total = 0.0
    for i, row in enumerate(student):
        cosines = [row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in teacher]
        among = [i, *(j for j in negatives(i) if j != i)]
        total -= cosines[i] / tau - np.log(sum(np.exp(cosines[j] / tau) for j in among))
    return total / len(student)


def gradient_of(loss, student, teacher, target):
    student = student.detach().requires_grad_()
    return torch.autograd.grad(loss(student, teacher, target), student)[0]


def test_it_calls_itself_our_reconstruction():
    assert MCLDLoss.__doc__.startswith('MCLD (our reconstruction)')


@pytest.mark.parametrize(('part', 'expected'), [(INSTANCE, 4.93778462), (CATEGORY, 8.43399592)])
def test_its_contrasts_of_rows_and_columns_equal_the_reference(student, teacher, part, expected):
    assert MCLDLoss(**part)(student, teacher).item() == pytest.approx(expected, rel=1e-7)
    assert MCLDLoss(**part)(student.float(), teacher.float()).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('tau', [0.1, 0.5])
def test_its_parts_and_their_sum_equal_numpy(tau):
    student, teacher, target = rows(9, classes=4)
    s, t, y = student.numpy(), teacher.numpy(), target.numpy()
    instance = info_nce(s, t, tau, lambda i: range(9))
    sample = info_nce(s, t, tau, lambda i: np.flatnonzero(y != y[i]))
    category = info_nce(s.T, t.T, tau, lambda c: range(4))
    centred = info_nce((s - s.mean(0)).T, (t - t.mean(0)).T, tau, lambda c: range(4))
    assert sample < instance
    for part, expected in (
        (INSTANCE, instance),
        (SAMPLE, sample),
        (CATEGORY, category),
        (dict(CATEGORY, center_categories=True), centred),
        (dict(instance_weight=2, sample_weight=3, category_weight=5), 2 * instance + 3 * sample + 5 * category),
    ):
        assert MCLDLoss(tau, **part)(student, teacher, target).item() == pytest.approx(expected, rel=1e-9)


def test_the_parts_and_their_ramp_are_written_as_two_terms():
    batch = rows(8)
    parts = MCLDLoss(category_weight=0), MCLDLoss(instance_weight=0, sample_weight=0)
    torch.testing.assert_close(parts[0](*batch) + parts[1](*batch), MCLDLoss()(*batch))


def test_rows_of_the_same_class_are_no_negatives_of_the_sample_wise_part():
    student, teacher, _ = rows(6)
    target = torch.tensor([0, 0, 1, 1, 2, 2])
    hidden = teacher.clone()
    # The teacher's row 1 changes: only student row 1 and rows of other classes are compared with it, so not row 0.
    hidden[1] = random_logits(7, seed=9)
    loss = MCLDLoss(**SAMPLE)
    first = [gradient_of(loss, student, each, target)[0] for each in (teacher, hidden)]
    torch.testing.assert_close(*first)
    first = [gradient_of(MCLDLoss(**INSTANCE), student, each, target)[0] for each in (teacher, hidden)]
    assert not torch.allclose(*first)


def test_where_all_rows_are_of_one_class_the_sample_wise_part_is_nothing():
    student, teacher, _ = rows(6)
    loss, target = MCLDLoss(**SAMPLE), torch.zeros(6, dtype=torch.int64)
    assert loss(student, teacher, target) == 0
    assert gradient_of(loss, student, teacher, target).abs().max() == 0


@every_part
def test_every_part_reaches_the_student_alone_and_by_the_gradient_of_finite_differences(part):
    student, teacher, target = rows(6, classes=4)
    student.requires_grad_()
    teacher.requires_grad_()
    loss = MCLDLoss(tau=0.5, **part)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, teacher.detach(), target), student)
    loss(student, teacher, target).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_the_scale_of_a_row_does_not_matter_to_the_contrasts_of_rows():
    student, teacher, target = rows(6)
    loss, scale = MCLDLoss(category_weight=0), random_logits(6, 1, seed=4).exp()
    plain = loss(student, teacher, target)
    torch.testing.assert_close(loss(student * scale, teacher, target), plain)
    torch.testing.assert_close(loss(student, teacher * scale, target), plain)


def test_scale_of_a_class_and_when_centred_its_offset_do_not_matter_to_the_contrast_of_columns():
    student, teacher, _ = rows(6)
    scale, offset = random_logits(7, seed=4).exp(), random_logits(7, seed=5)
    for settings, changed in ((CATEGORY, student * scale), (dict(CATEGORY, center_categories=True), student + offset)):
        loss = MCLDLoss(**settings)
        torch.testing.assert_close(loss(changed, teacher), loss(student, teacher))
    plain, moved = (MCLDLoss(**CATEGORY)(logits, teacher).item() for logits in (student, student + offset))
    assert moved != pytest.approx(plain, rel=1e-2)


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('tau', 3.0),
        ('instance_weight', 3.0),
        ('sample_weight', 3.0),
        ('category_weight', 3.0),
        ('loss_weight', 3.0),
        ('center_categories', True),
    ],
)
def test_each_setting_changes_the_value(student, teacher, setting, value):
    # Not the published targets, four different classes: the mask matters only if rows share a class.
    target = torch.tensor([0, 0, 4, 1])
    plain = MCLDLoss()(student, teacher, target).item()
    assert MCLDLoss(**{setting: value})(student, teacher, target).item() != pytest.approx(plain, rel=1e-2)


@pytest.mark.parametrize('setting', ['tau', 'instance_weight', 'sample_weight', 'category_weight', 'loss_weight'])
def test_settings_out_of_range_are_refused_by_name(setting):
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}=-1'):
        MCLDLoss(**{setting: -1})


def test_a_loss_without_a_part_is_refused():
    with pytest.raises(ValueError, match='set one of instance_weight, sample_weight and category_weight above 0'):
        MCLDLoss(instance_weight=0, sample_weight=0, category_weight=0)


@pytest.mark.parametrize('target', [None, torch.tensor([1, 2]), torch.zeros(4, 5)])
def test_the_sample_wise_part_says_what_it_needs_and_the_others_need_no_target(student, teacher, target):
    found = 'None' if target is None else tuple(target.shape)
    with pytest.raises(
        ValueError, match='class index of each of the 4 rows, .* Without labels set sample_weight=0'
    ) as e:
        MCLDLoss()(student, teacher, target)
    assert f'got {found}' in str(e.value)
    assert MCLDLoss(sample_weight=0)(student, teacher, target).isfinite()


def test_rows_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r'MCLDLoss compares rows .*student \(4, 5\) and teacher \(4, 6\)'):
        MCLDLoss()(torch.zeros(4, 5), torch.zeros(4, 6))


@every_part
def test_one_row_and_constant_rows_and_columns_are_finite_in_value_and_gradient(part):
    loss = MCLDLoss(**part)
    student, teacher, target = rows(8)
    constant = student.clone()
    constant[2:4] = constant[:, 3] = 0
    for batch in (rows(1), (constant, teacher, target), (torch.zeros(8, 7), teacher.float(), target)):
        assert loss(*batch).isfinite()
        assert gradient_of(loss, *batch).isfinite().all()


@every_part
def test_no_rows_are_a_zero_attached_to_the_student(part):
    head = torch.nn.Linear(3, 5)
    value = MCLDLoss(**part)(head(torch.zeros(0, 3)), torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64))
    value.backward()
    assert value == 0
    assert torch.equal(head.weight.grad, torch.zeros(5, 3))


@every_part
@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(part, half):
    student, teacher, target = rows(32)
    student, teacher, loss = student.to(half), teacher.to(half), MCLDLoss(**part)
    with torch.autocast('cpu', dtype=half):
        value = loss(student.requires_grad_(), teacher, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(student.float(), teacher.float(), target))
    expected = gradient_of(loss, student.float(), teacher.float(), target)
    assert torch.equal(torch.autograd.grad(value, student)[0], expected.to(half))


@every_part
def test_a_few_steps_of_descent_lower_it(part):
    student, teacher, target = rows(16)
    optimizer = torch.optim.SGD([student.requires_grad_()], lr=50.0)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = MCLDLoss(tau=0.5, **part)(student, teacher, target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]


def test_its_settings_are_printed():
    printed = 'tau=0.1, loss_weight=1, instance_weight=1, sample_weight=1, category_weight=1, center_categories=False'
    assert printed in repr(MCLDLoss())
