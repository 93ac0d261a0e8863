"""What losses on rows of logits have in common, whichever divergence they compute."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from luminet_det import losses
from luminet_det.distillation.taps import GIVES
from luminet_det.losses import DISTLoss, DKDLoss, KDLoss, LSKDLoss, LumiNetLoss, MCLDLoss, MLLDLoss
from luminet_det.losses.rows import RowLoss
from luminet_det.registry import MODELS

LOSSES = [
    LumiNetLoss,
    KDLoss,
    DKDLoss,
    LSKDLoss,
    *(partial(loss, use_sigmoid=True) for loss in (LumiNetLoss, KDLoss)),
    *(partial(loss, standardize=True) for loss in (KDLoss, DKDLoss)),
]
every_loss = pytest.mark.parametrize('loss_type', LOSSES)
# Losses that divide by a deviation or a norm of the student's logits, with no eps large enough to bound gradients.
dividing = pytest.mark.parametrize(
    'loss',
    [
        LSKDLoss(loss_weight=1.0),
        KDLoss(standardize=True),
        DKDLoss(standardize=True),
        MLLDLoss(views=1, standardize=True),
        DISTLoss(),
        MCLDLoss(),
        MCLDLoss(center_categories=True),
    ],
    ids=repr,
)


def rows_of(number, classes=7, scale=3.0, dtype=torch.float32, seed=0):
    """Random student and teacher logits, and target classes; the student's logits require a gradient."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, number, classes, generator=generator, dtype=torch.float64) * scale
    target = torch.randint(classes, (number,), generator=generator)
    return student.to(dtype).requires_grad_(), teacher.to(dtype), target


def value_and_gradient(loss, student, teacher, target):
    value = loss(student, teacher, target)
    return value, torch.autograd.grad(value, student)[0]


def test_the_vectors_are_the_published_logits(student, teacher):
    torch.testing.assert_close(
        teacher[0],
        torch.tensor([0, 1.932653, 2.956349, 2.589628, 1.004964], dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )
    torch.testing.assert_close(
        student[3],
        torch.tensor([-1.808144, -1.713778, -1.602287, -1.474787, -1.332552], dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )


def test_every_public_loss_is_registered_and_says_what_it_compares():
    assert losses.__all__ == sorted(losses.__all__)
    public = [name for name in losses.__all__ if name.endswith('Loss')]
    assert public
    for name in public:
        kind = MODELS.get(f'luminet_det.{name}')
        assert kind is getattr(losses, name)
        assert kind.compares in GIVES


@every_loss
def test_a_student_equal_to_its_teacher_costs_nothing(loss_type):
    _, teacher, target = rows_of(16)
    value, gradient = value_and_gradient(loss_type(), teacher.clone().requires_grad_(), teacher, target)
    assert value == 0
    assert gradient.abs().max() < 1e-6


@every_loss
def test_repeating_every_row_changes_nothing(loss_type):
    student, teacher, target = rows_of(8, dtype=torch.float64)
    once = loss_type(tau=2.0)(student, teacher, target)
    twice = loss_type(tau=2.0)(student.repeat(2, 1), teacher.repeat(2, 1), target.repeat(2))
    assert once.item() > 0
    torch.testing.assert_close(twice, once, rtol=1e-9, atol=0)


@every_loss
def test_the_teacher_gets_no_gradient(loss_type):
    student, teacher, target = rows_of(8)
    teacher.requires_grad_()
    loss_type()(student, teacher, target).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@every_loss
@pytest.mark.parametrize(('setting', 'value'), [('tau', 3.0), ('loss_weight', 2.5)])
def test_each_shared_setting_changes_the_value(loss_type, setting, value):
    student, teacher, target = rows_of(8)
    plain = loss_type()(student, teacher, target).item()
    assert loss_type(**{setting: value})(student, teacher, target).item() != pytest.approx(plain, rel=1e-3)


@every_loss
def test_loss_weight_multiplies_and_can_be_changed_while_training(loss_type):
    student, teacher, target = rows_of(8)
    loss = loss_type(loss_weight=1.0)
    unit = loss(student, teacher, target)
    loss.loss_weight = 2.5
    torch.testing.assert_close(loss(student, teacher, target), 2.5 * unit)


@every_loss
@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('tau', 0),
        ('tau', -1.0),
        ('tau', float('nan')),
        ('tau', '4'),
        ('loss_weight', -0.5),
        ('loss_weight', float('inf')),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_value(loss_type, setting, value):
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}={value!r}'):
        loss_type(**{setting: value})


@every_loss
def test_a_weight_of_zero_is_allowed(loss_type):
    assert loss_type(loss_weight=0)(*rows_of(4)) == 0


@every_loss
@pytest.mark.parametrize('shape', [(8, 6), (7, 7), (8, 7, 1)])
def test_rows_that_do_not_match_are_refused_with_both_shapes(loss_type, shape):
    student, _, target = rows_of(8)
    with pytest.raises(ValueError, match=r'\(K, C\).*student \(8, 7\) and teacher \(' + f'{shape[0]}, {shape[1]}'):
        loss_type()(student, torch.zeros(shape), target)


@every_loss
def test_logits_that_are_not_rows_are_refused(loss_type):
    with pytest.raises(ValueError, match=r'got student \(5,\) and teacher \(5,\)'):
        loss_type()(torch.zeros(5), torch.zeros(5), torch.zeros(5, dtype=torch.int64))


@every_loss
@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_autocast_changes_neither_value_nor_gradient(loss_type, half):
    student, teacher, target = rows_of(32, dtype=half)
    expected, expected_gradient = value_and_gradient(
        loss_type(tau=2.0), student.detach().float().requires_grad_(), teacher.float(), target
    )
    with torch.autocast('cpu', dtype=half):
        value, gradient = value_and_gradient(loss_type(tau=2.0), student, teacher, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert torch.equal(gradient, expected_gradient.to(half))


def test_a_matrix_product_in_a_loss_stays_float32_inside_autocast():
    class Product(RowLoss):
        def divergence(self, student, teacher, target):
            return (student @ teacher.T).sum()

    student, teacher, _ = rows_of(8)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = Product(tau=1.0, loss_weight=1.0)(student, teacher)
    assert torch.equal(value, (student @ teacher.T).sum())


@every_loss
def test_float64_stays_float64(loss_type):
    student, teacher, target = rows_of(8, dtype=torch.float64)
    assert loss_type()(student, teacher, target).dtype == torch.float64


@every_loss
def test_gradients_are_those_of_finite_differences(loss_type):
    student, teacher, target = rows_of(6, classes=4, scale=1.0, dtype=torch.float64)
    loss = loss_type(tau=1.5, loss_weight=2.0)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, teacher, target), student)


@every_loss
def test_no_rows_give_a_zero_that_is_attached_to_the_student(loss_type):
    head = torch.nn.Linear(3, 7)
    rows = torch.zeros(0, 3)
    value = loss_type()(head(rows), torch.zeros(0, 7), torch.zeros(0, dtype=torch.int64))
    value.backward()
    assert value.shape == ()
    assert value == 0
    assert torch.equal(head.weight.grad, torch.zeros(7, 3))


@every_loss
def test_one_row_gives_a_finite_value_and_gradient(loss_type):
    value, gradient = value_and_gradient(loss_type(), *rows_of(1))
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
@pytest.mark.parametrize('constant', [0.0, 7.3, -1e4])
def test_a_constant_column_gives_a_finite_value_and_gradient(loss_type, constant):
    student, teacher, target = rows_of(32)
    student, teacher = student.detach().clone(), teacher.clone()
    student[:, 2] = teacher[:, 4] = constant
    value, gradient = value_and_gradient(loss_type(), student.requires_grad_(), teacher, target)
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(0, 40),
    classes=st.integers(1, 30),
    magnitude=st.integers(-4, 4),
    tau=st.floats(0.25, 16),
    seed=st.integers(0, 2**16),
)
def test_value_and_gradient_are_finite_and_not_negative(loss_type, number, classes, magnitude, tau, seed):
    student, teacher, target = rows_of(number, classes, scale=10.0**magnitude, seed=seed)
    loss = loss_type(tau=tau, loss_weight=1.0)
    value, gradient = value_and_gradient(loss, student, teacher, target)
    exact = loss(student.detach().double(), teacher.double(), target)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert exact >= -1e-9
    torch.testing.assert_close(value.double(), exact.detach(), rtol=2e-3, atol=2e-4 * tau**2)


@every_loss
def test_compiling_changes_neither_value_nor_gradient(loss_type):
    torch._dynamo.reset()
    student, teacher, target = rows_of(16)
    loss = loss_type(tau=2.0)
    compiled = torch.compile(loss, backend='aot_eager', fullgraph=True)
    assert_same(
        value_and_gradient(compiled, student, teacher, target),
        value_and_gradient(loss, student, teacher, target),
    )


@pytest.mark.slow
@every_loss
def test_inductor_changes_neither_value_nor_gradient(loss_type):
    torch._dynamo.reset()
    student, teacher, target = rows_of(16)
    loss = loss_type(tau=2.0)
    assert_same(
        value_and_gradient(torch.compile(loss, fullgraph=True), student, teacher, target),
        value_and_gradient(loss, student, teacher, target),
    )


@dividing
@pytest.mark.parametrize('equal', [0.0, 0.3, -1e4])
@pytest.mark.parametrize('of', ['row', 'column', 'rows', 'everything'])
def test_equal_logits_of_the_student_give_a_gradient_of_the_usual_size(loss, equal, of):
    student, teacher, target = rows_of(16, classes=10, scale=1.0)
    usual = value_and_gradient(loss, student, teacher, target)[1].abs().max()
    alike = student.detach().clone()
    if of == 'rows':
        alike[:] = alike[0]
    else:
        alike[dict(row=5, column=(slice(None), 3), everything=slice(None))[of]] = equal
    value, gradient = value_and_gradient(loss, alike.requires_grad_(), teacher, target)
    assert value.isfinite()
    assert gradient.abs().max() < 20 * usual


@dividing
def test_a_student_whose_last_layer_begins_with_zeros_learns(loss):
    images, answers = torch.randn(2, 64, 10, generator=torch.Generator().manual_seed(0))
    student = torch.nn.Linear(10, 10)
    for parameter in student.parameters():
        torch.nn.init.zeros_(parameter)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        target = answers.argmax(1)
        supervised = torch.nn.functional.cross_entropy(student(images), target)
        (supervised + loss(student(images), answers, target)).backward()
        optimizer.step()
        values.append(supervised.item())
    assert max(values) < 2 * values[0]
    assert values[-1] < values[0]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@every_loss
def test_its_settings_are_printed(loss_type):
    printed = repr(loss_type(tau=2.0, loss_weight=0.5))
    assert 'tau=2' in printed
    assert 'loss_weight=0.5' in printed


def test_the_losses_import_torch_and_nothing_else_of_the_field():
    program = (
        'import importlib.util as u, sys, pathlib as p;'
        f'root = p.Path({losses.__file__!r}).parent;'
        "spec = u.spec_from_file_location('losses', root / '__init__.py', submodule_search_locations=[str(root)]);"
        "sys.modules['losses'] = module = u.module_from_spec(spec); spec.loader.exec_module(module);"
        "print([n for n in sys.modules if n.split('.')[0] in ('mmengine', 'mmdet', 'mmcv', 'luminet_det')])"
    )
    run = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == '[]'
