"""What FitNet, OFD and FGFI, the losses with learned adaptors of their own, have in common."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from luminet_det.losses.adaptors import AdaptorLoss, Norm
from luminet_det.losses.fgfi import FGFILoss
from luminet_det.losses.fitnet import FitNetLoss
from luminet_det.losses.ofd import OFDLoss
from tests.losses.example_maps import maps

SHAPES = [((4, 6, 6), (5, 6, 6)), ((3, 2, 2), (6, 2, 2))]


def no_needs(number, dtype):
    return {}


def norms(number, dtype):
    found = [nn.BatchNorm2d(teacher[0]).to(dtype) for _, teacher in SHAPES]
    for seed, norm in enumerate(found):
        norm.weight.data = maps(norm.num_features, seed=seed, dtype=dtype)
        norm.bias.data = maps(norm.num_features, seed=seed + 7, dtype=dtype)
    return dict(norms=found)


def boxes_and_priors(number, dtype):
    """Square anchors of two sizes at each position, for an input of 48 x 48 pixels, and two boxes per image."""
    priors = []
    for _, (_, side, _) in SHAPES:
        stride = 48 // side
        y, x = torch.meshgrid(*2 * [(torch.arange(side) + 0.5) * stride], indexing='ij')
        half = torch.tensor([0.5, 1.0]) * stride
        corners = [axis[..., None] + sign * half for sign in (-1, 1) for axis in (x, y)]
        priors.append(torch.stack(corners, dim=-1).to(dtype))
    boxes = torch.tensor([[2.0, 3, 11, 10], [20, 16, 47, 40]], dtype=dtype)
    return dict(boxes=[boxes] * number, priors=tuple(priors))


LOSSES = {
    'fitnet': (FitNetLoss, no_needs),
    'fitnet, convolution': (partial(FitNetLoss, regressor='conv'), no_needs),
    'ofd': (OFDLoss, norms),
    'fgfi': (FGFILoss, boxes_and_priors),
    'fgfi, with relu': (partial(FGFILoss, relu=True), boxes_and_priors),
}
every_loss = pytest.mark.parametrize('name', LOSSES)


def levels(number, of, seed=0, dtype=torch.float32):
    return tuple(maps(number, *pair[of], seed=seed + 10 * of + i, dtype=dtype) for i, pair in enumerate(SHAPES))


def adapted(name, number=2, dtype=torch.float32, **settings):
    """A loss, its convolutions drawn from Kaiming's distribution, and its inputs; the student's maps need gradients."""
    torch.manual_seed(0)
    loss_type, needs = LOSSES[name]
    loss = loss_type(loss_weight=1.0, **settings)
    student, teacher = levels(number, of=0, dtype=dtype), levels(number, of=1, dtype=dtype)
    loss.adapt(levels(1, of=0), levels(1, of=1))
    for conv in (module for module in loss.modules() if isinstance(module, nn.Conv2d)):
        nn.init.kaiming_uniform_(conv.weight)
    return loss.to(dtype), [level.requires_grad_() for level in student], teacher, needs(number, dtype)


@every_loss
def test_before_adapt_it_says_what_to_call(name):
    loss_type, needs = LOSSES[name]
    with pytest.raises(RuntimeError, match=r'has no adaptors yet: call adapt\(student, teacher\)'):
        loss_type()(levels(2, of=0), levels(2, of=1), **needs(2, torch.float32))


@every_loss
def test_gradients_are_those_of_finite_differences(name):
    loss, student, teacher, needs = adapted(name, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *student: loss(student, teacher, **needs), student)


@every_loss
def test_the_gradient_reaches_the_student_and_every_parameter_and_not_the_teacher(name):
    loss, student, teacher, needs = adapted(name)
    for level in teacher:
        level.requires_grad_()
    loss(student, teacher, **needs).backward()
    assert all(level.grad.abs().sum() > 0 for level in student)
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters() if parameter.dim() > 1)
    assert all(parameter.grad is not None for parameter in loss.parameters())
    assert all(level.grad is None for level in teacher)
    assert all(p.grad is None for norm in needs.get('norms', []) for p in norm.parameters())


@every_loss
def test_every_level_counts(name):
    loss, student, teacher, needs = adapted(name)
    plain = loss(student, teacher, **needs)
    for level in range(2):
        moved = [other + 5 * (i == level) for i, other in enumerate(teacher)]
        assert loss(student, moved, **needs) > 1.1 * plain


@every_loss
@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_under_autocast_the_adaptors_run_in_half_and_the_loss_in_float32(name, half):
    loss, student, teacher, needs = adapted(name)
    expected = loss(student, teacher, **needs)
    seen = []
    for adaptor in loss.adaptors:
        adaptor.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    with torch.autocast('cpu', dtype=half):
        value = loss([level.to(half) for level in student], [level.to(half) for level in teacher], **needs)
    value.backward()
    assert seen == [half, half]
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=0.05, atol=0)
    assert all(level.grad.isfinite().all() for level in student)


def test_a_matrix_product_in_a_loss_stays_float32_inside_autocast():
    class Product(AdaptorLoss):
        def adaptor(self, student, teacher):
            return nn.Identity()

        def divergence(self, student, teacher):
            return (student[0] @ teacher[0]).sum()

    loss, level = Product(loss_weight=1.0), maps(2, 3, 8, 8, dtype=torch.float32)
    loss.adapt([level], [level])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss([level], [level])
    assert torch.equal(value, (level @ level).sum())


@every_loss
def test_sums_beyond_half_precision_stay_finite(name):
    loss, student, teacher, needs = adapted(name)
    with torch.autocast('cpu', dtype=torch.float16):
        value = loss(student, [3e4 * level.sign().half() for level in teacher], **needs)
    assert value.isfinite()
    assert value > 65504


@every_loss
def test_one_image_of_one_pixel_gives_a_finite_value_and_gradient(name):
    loss_type, needs = LOSSES[name]
    student, teacher = ([level[:1, :, :1, :1].clone() for level in levels(1, of=i)] for i in (0, 1))
    needs = needs(1, torch.float32)
    if 'priors' in needs:
        needs['priors'] = tuple(level[:1, :1] for level in needs['priors'])
    loss = loss_type()
    loss.adapt(student, teacher)
    student = [level.requires_grad_() for level in student]
    value = loss(student, teacher, **needs)
    value.backward()
    assert value.isfinite()
    assert all(level.grad.isfinite().all() for level in student)
    assert all(parameter.grad.isfinite().all() for parameter in loss.parameters())
    assert all(buffer.isfinite().all() for buffer in loss.buffers())


@pytest.mark.parametrize('number', [1, 0])
def test_a_norm_in_training_leaves_its_bias_alone_of_one_value_a_channel(number):
    norm, level = Norm(3), maps(number, 3, 1, 1, dtype=torch.float32).requires_grad_()
    # Running statistics must not matter: each process has its own, and a checkpoint holds only the first one's.
    for seed, values in enumerate((norm.weight.data, norm.bias.data, norm.running_mean)):
        values.copy_(maps(3, seed=seed))
    buffers = [buffer.clone() for buffer in norm.buffers()]
    found = norm(level)
    found.sum().backward()
    assert torch.equal(found, norm.bias.view(1, 3, 1, 1).expand(number, 3, 1, 1))
    assert [p.grad.tolist() for p in (norm.weight, norm.bias)] == [[0] * 3, [number] * 3]
    assert torch.equal(level.grad, torch.zeros_like(level))
    assert all(torch.equal(*pair) for pair in zip(buffers, norm.buffers(), strict=True))
    other = norm.eval()(level)
    torch.testing.assert_close(other, nn.BatchNorm2d.forward(norm, level))
    assert number == 0 or not torch.equal(other, found)


@every_loss
def test_no_images_give_a_zero_that_is_attached_to_the_student(name):
    loss, student, teacher, needs = adapted(name, number=0)
    value = loss(student, teacher, **needs)
    value.backward()
    assert value.shape == ()
    assert value == 0
    assert all(level.grad.shape == level.shape for level in student)
    assert all(buffer.isfinite().all() for buffer in loss.buffers())


@every_loss
def test_its_state_survives_saving_and_loading(name, tmp_path):
    loss, student, teacher, needs = adapted(name)
    value = loss(student, teacher, **needs)
    torch.save(loss.state_dict(), tmp_path / 'loss.pth')
    other = LOSSES[name][0](loss_weight=1.0)
    other.adapt(levels(1, of=0, seed=3), levels(1, of=1, seed=3))
    assert other(student, teacher, **needs) != value
    other.load_state_dict(torch.load(tmp_path / 'loss.pth', weights_only=True))
    assert torch.equal(other(student, teacher, **needs), value)
    assert all(
        torch.equal(found, loss.state_dict()[key]) for key, found in other.state_dict().items() if 'margin' in key
    )


@every_loss
def test_a_few_steps_of_sgd_make_it_fall(name):
    loss, student, teacher, needs = adapted(name, number=8)
    optimizer = torch.optim.SGD([*student, *loss.parameters()], lr=0.02, momentum=0.9)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(student, teacher, **needs)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]


@every_loss
def test_the_weight_scales_the_loss_and_is_refused_below_zero(name):
    loss, student, teacher, needs = adapted(name)
    unit = loss(student, teacher, **needs)
    loss.loss_weight = 2.5
    torch.testing.assert_close(loss(student, teacher, **needs), 2.5 * unit)
    assert 'loss_weight=2.5' in repr(loss)
    with pytest.raises(ValueError, match='loss_weight must be .*got loss_weight=-1'):
        LOSSES[name][0](loss_weight=-1)


@every_loss
def test_lists_of_different_length_are_refused_with_what_to_write(name):
    loss, student, teacher, needs = adapted(name)
    for call in (loss.adapt, partial(loss, **needs)):
        with pytest.raises(ValueError, match=r'got 2 and 1\. Choose them in the term: stages=\[...\] of a classifier'):
            call(student, teacher[:1])


@every_loss
def test_maps_of_other_images_are_refused_with_their_shapes(name):
    loss, student, teacher, needs = adapted(name)
    with pytest.raises(
        ValueError, match=r'of the same N images; got student \(2, 4, 6, 6\) and teacher \(1, 5, 6, 6\)'
    ):
        loss(student, [level[:1] for level in teacher], **needs)


@pytest.mark.parametrize('name', ['fitnet', 'ofd'])
def test_its_running_statistics_move_in_training_alone(name):
    loss, student, teacher, needs = adapted(name)
    states = [copy.deepcopy(loss.state_dict())]
    for training in (True, False):
        loss.train(training)(student, teacher, **needs)
        states.append(copy.deepcopy(loss.state_dict()))
    start, trained, evaluated = states
    statistics = [key for key in start if 'running' in key]
    assert len(statistics) == 2 * len(SHAPES)
    assert not any(torch.equal(start[key], trained[key]) for key in statistics)
    assert all(torch.equal(trained[key], value) for key, value in evaluated.items())
