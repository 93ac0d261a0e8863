from functools import partial

import numpy as np
import pytest
import torch

from luminet_det.losses.mlld import MLLDLoss, _relations, _relations_of_each

every_form = pytest.mark.parametrize('loss_type', [MLLDLoss, partial(MLLDLoss, form='paper')], ids=['code', 'paper'])


def random_logits(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def views(number=8, classes=6, seed=0):
    """The logits of student and teacher, each of a weak and of a strong view."""
    logits = [random_logits(number, classes, seed=seed + i) for i in range(4)]
    return tuple(logits[:2]), tuple(logits[2:])


def softmax(logits):
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def levels(student, teacher, tau, standardise=False):
    """KD of each row, BC of each row and CC of each class, before any mean, in numpy."""
    q, p = softmax(student / tau), softmax(teacher / tau)
    batch, classes = ((p @ p.T - q @ q.T) ** 2).sum(1), ((p.T @ p - q.T @ q) ** 2).sum(1)
    if standardise:
        rows = [(z - z.mean(1, keepdims=True)) / (z.std(1, ddof=1, keepdims=True) + 1e-7) for z in (student, teacher)]
        q, p = (softmax(row / tau) for row in rows)
    return tau**2 * (p * np.log(p / q)).sum(1), batch, classes


def by_the_book(student, teacher, form, tau=4.0, standardise=False):
    """MLLD at weight 1, one temperature and view at a time; `form='code'` is laid out like its authors' code."""
    student, teacher = ([view.numpy() for view in each] for each in (student, teacher))
    confidence, presence = softmax(teacher[0]).max(1), softmax(teacher[0]).sum(0)
    unsure, rare = (each <= np.percentile(each, 50) for each in (confidence, presence))
    total = 0.0
    for i, t in enumerate((tau, 3.0, 5.0, 2.0, 6.0)):
        of_view = [levels(s, z, t, standardise) for s, z in zip(student, teacher, strict=True)]
        if form == 'paper':
            for kd, bc, cc in of_view:
                sure, present = (each >= np.percentile(each, 50) for each in (confidence, presence))
                total += (kd * sure).mean() + (bc * sure).mean() + (cc * present).mean()
            continue
        kd, bc, cc = of_view[0]
        total += np.mean(kd.mean() * unsure) + np.mean(bc.mean() * unsure) + np.mean(cc.mean() * rare)
        if len(of_view) == 2:
            total += of_view[1 if i < 3 else 0][0].mean()
    return total


def gradients_of(loss, student, teacher):
    student = [view.detach().requires_grad_() for view in student]
    return torch.autograd.grad(loss(tuple(student), teacher), student, materialize_grads=True)


# The levels


def test_the_levels_of_batch_and_class_equal_the_reference(student, teacher):
    probabilities = (student / 4).softmax(1), (teacher / 4).softmax(1)
    for batch, classes in (_relations(*probabilities), [each.mean() for each in _relations_of_each(*probabilities)]):
        assert batch.item() == pytest.approx(0.0033135652, rel=1e-7)
        assert classes.item() == pytest.approx(0.0042183764, rel=1e-7)


@pytest.mark.parametrize('shape', [(64, 100), (100, 64)])
def test_in_float32_they_do_not_cancel_where_student_and_teacher_are_nearly_equal(shape):
    teacher = random_logits(*shape)
    student = teacher + 1e-2 * random_logits(*shape, seed=1)
    exact = [each.mean() for each in _relations_of_each(student.softmax(1), teacher.softmax(1))]
    student, teacher = student.float().softmax(1), teacher.float().softmax(1)
    for found in (_relations(student, teacher), _relations_of_each(student, teacher)):
        torch.testing.assert_close([each.mean().double() for each in found], exact, rtol=1e-3, atol=0)


@pytest.mark.parametrize('shape', [(200, 6), (6, 200)])
def test_no_matrix_of_the_larger_side_is_kept_for_backward(shape):
    kept = []
    student, teacher = random_logits(*shape).requires_grad_(), random_logits(*shape, seed=1)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        MLLDLoss(views=1)(student, teacher)
    assert max(kept) <= 5 * student.numel()


# Both forms


@pytest.mark.parametrize('form', ['code', 'paper'])
@pytest.mark.parametrize('standardise', [False, True])
@pytest.mark.parametrize(('number', 'classes'), [(8, 6), (7, 5), (1, 3)])
@pytest.mark.parametrize('tau', [1.0, 4.0])
def test_each_form_equals_numpy_level_by_level(form, standardise, number, classes, tau):
    student, teacher = views(number, classes)
    loss = MLLDLoss(tau, loss_weight=1.0, form=form, standardize=standardise)
    expected = by_the_book(student, teacher, form, tau, standardise)
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-8)
    loss = MLLDLoss(tau, loss_weight=1.0, form=form, standardize=standardise, views=1)
    expected = by_the_book(student[:1], teacher[:1], form, tau, standardise)
    assert loss(student[0], teacher[0]).item() == pytest.approx(expected, rel=1e-8)


def test_the_defaults_are_those_of_the_published_numbers():
    loss = MLLDLoss()
    assert (loss.tau, loss.loss_weight, loss.form, loss.views, loss.standardize) == (4.0, 0.9, 'code', 2, False)


@every_form
def test_a_student_equal_to_its_teacher_costs_nothing_and_hears_nothing(loss_type):
    _, teacher = views()
    assert loss_type()(teacher, teacher) == 0
    assert max(each.abs().max() for each in gradients_of(loss_type(), teacher, teacher)) < 1e-12


@every_form
def test_an_offset_of_a_row_and_the_order_of_images_do_not_matter(loss_type):
    student, teacher = views()
    plain, order = loss_type()(student, teacher), torch.arange(8).flip(0)
    moved = tuple(view + random_logits(8, 1, seed=9) for view in student)
    torch.testing.assert_close(loss_type()(moved, teacher), plain)
    turned = [tuple(view[order] for view in each) for each in (student, teacher)]
    torch.testing.assert_close(loss_type()(*turned), plain)
    assert loss_type()(turned[0], teacher).item() != pytest.approx(plain.item(), rel=1e-2)


@every_form
def test_standardised_kd_ignores_the_scale_of_a_row_where_batch_and_class_see_it(loss_type):
    _, teacher = views()
    student = tuple(5 * view for view in teacher)
    assert 1e-3 < loss_type(standardize=True)(student, teacher) < 0.9 * loss_type()(student, teacher)


def test_the_codes_strong_view_is_heard_by_kd_alone_and_the_papers_by_all_levels():
    _, teacher = views()
    student = (teacher[0], 5 * teacher[1])
    # On standardised logits, KD does not see their scale.
    assert MLLDLoss(standardize=True)(student, teacher).item() == pytest.approx(0, abs=1e-9)
    assert MLLDLoss(standardize=True, form='paper')(student, teacher) > 1e-3


@pytest.mark.parametrize('form', ['code', 'paper'])
def test_the_masks_keep_all_rows_where_the_teacher_is_equally_sure_of_all(form):
    student, teacher = views()
    teacher = tuple(view[:1].repeat(8, 1) for view in teacher)
    expected = by_the_book(student, teacher, form)
    assert MLLDLoss(loss_weight=1.0, form=form)(student, teacher).item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ('setting', 'value'), [('tau', 9.0), ('loss_weight', 2.0), ('form', 'paper'), ('standardize', True)]
)
def test_each_setting_changes_the_value(setting, value):
    plain = MLLDLoss()(*views()).item()
    assert MLLDLoss(**{setting: value})(*views()).item() != pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize(
    ('setting', 'value', 'message'),
    [
        ('tau', 0, 'tau must be .*got tau=0'),
        ('loss_weight', -1, 'loss_weight must be .*got loss_weight=-1'),
        ('form', 'released', "form must be 'code' or 'paper', got form='released'"),
        ('views', 3, 'views must be 1 or 2, got views=3'),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_value(setting, value, message):
    with pytest.raises(ValueError, match=message):
        MLLDLoss(**{setting: value})


# Views


def test_it_takes_all_views_at_once_unless_it_is_to_see_one():
    assert MLLDLoss.takes_views
    assert MLLDLoss().takes_views
    assert not MLLDLoss(views=1).takes_views


@every_form
def test_one_view_may_be_a_tensor_or_a_tuple_of_one(loss_type):
    student, teacher = views()
    loss = loss_type(views=1)
    assert torch.equal(loss(student[0], teacher[0]), loss(student[:1], teacher[:1]))
    assert loss(student[0], teacher[0]) > 0


@pytest.mark.parametrize('take', [lambda views: views[0], lambda views: views[:1], lambda views: (*views, views[0])])
def test_without_a_strong_view_it_says_where_to_write_it(take):
    student, teacher = views()
    with pytest.raises(ValueError, match='two views of each image, a weak and a strong one; got') as error:
        MLLDLoss()(take(student), take(teacher))
    for advice in ('train_dataloader.dataset.transforms=[[', 'configs/cifar100/strong_augmentation', 'views=1'):
        assert advice in str(error.value)


def test_with_views_1_two_views_are_refused():
    with pytest.raises(ValueError, match='compares one view of each image; got 2 of the student and 2 of the teacher'):
        MLLDLoss(views=1)(*views())


def test_shapes_that_differ_are_refused_with_all_of_them():
    zeros = torch.zeros(4, 5), torch.zeros(3, 5)
    with pytest.raises(ValueError, match=r'got \[\(4, 5\), \(3, 5\)\] of the student and \[\(4, 5\), \(3, 5\)\] of'):
        MLLDLoss()(zeros, zeros)
    with pytest.raises(ValueError, match=r'MLLDLoss compares rows .*student \(4, 5\) and teacher \(3, 5\)'):
        MLLDLoss(views=1)(*zeros)


# Gradients and numerics


@every_form
@pytest.mark.parametrize('settings', [dict(), dict(views=1), dict(standardize=True)])
def test_the_gradient_is_that_of_finite_differences_and_reaches_the_student_alone(loss_type, settings):
    loss = loss_type(**settings)
    student, teacher = (tuple(view.requires_grad_() for view in each[: loss.views]) for each in views(5, 4))
    frozen = tuple(view.detach() for view in teacher)
    assert torch.autograd.gradcheck(lambda *student: loss(student, frozen), student)
    loss(student, teacher).backward()
    assert all(view.grad.abs().sum() > 0 for view in student)
    assert all(view.grad is None for view in teacher)


@every_form
@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(loss_type, half):
    student, teacher = (tuple(view.to(half) for view in each) for each in views(32))
    exact = [tuple(view.float() for view in each) for each in (student, teacher)]
    for view in student:
        view.requires_grad_()
    with torch.autocast('cpu', dtype=half):
        value = loss_type()(student, teacher)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss_type()(*exact))
    for found, expected in zip(torch.autograd.grad(value, student), gradients_of(loss_type(), *exact), strict=True):
        assert torch.equal(found, expected.to(half))


@every_form
@pytest.mark.parametrize('standardise', [False, True])
def test_one_row_and_logits_that_are_all_equal_or_far_apart_are_finite(loss_type, standardise):
    loss = loss_type(standardize=standardise)
    student, teacher = ([view.float() for view in each] for each in views())
    flat = [torch.zeros(8, 6), student[1]]
    for batch in (views(1), (flat, teacher), (student, flat), ([1e4 * view for view in student], teacher)):
        assert loss(*batch).isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients_of(loss, *batch))


@every_form
@pytest.mark.parametrize('number', [1, 2])
def test_no_rows_are_a_zero_attached_to_the_student(loss_type, number):
    head = torch.nn.Linear(3, 5)
    nothing = tuple(head(torch.zeros(0, 3)) for _ in range(number))
    value = loss_type(views=number)(nothing, tuple(view.detach() for view in nothing))
    value.backward()
    assert value == 0
    assert torch.equal(head.weight.grad, torch.zeros(5, 3))


@every_form
def test_a_few_steps_of_descent_lower_it(loss_type):
    student, teacher = views(16)
    optimizer = torch.optim.SGD([view.requires_grad_() for view in student], lr=1.0)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = loss_type()(student, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]


@every_form
def test_compiling_changes_neither_value_nor_gradient(loss_type):
    torch._dynamo.reset()
    student, teacher = views()
    compiled = torch.compile(loss_type(), backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(compiled(student, teacher), loss_type()(student, teacher))
    torch.testing.assert_close(gradients_of(compiled, student, teacher), gradients_of(loss_type(), student, teacher))


def test_its_settings_are_printed():
    assert 'tau=4, loss_weight=0.9, form=code, views=2, standardize=False' in repr(MLLDLoss())
