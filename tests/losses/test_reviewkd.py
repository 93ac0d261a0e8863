import copy

import numpy as np
import pytest
import torch
from torch import nn

from luminet_det.losses.reviewkd import ReviewKDLoss, hierarchical_context

# Channels, height and width of each level, the shallowest first; the last level is pooled features.
STUDENT = [(2, 8, 8), (3, 4, 4), (4, 2, 2), (4, 1, 1)]
TEACHER = [(3, 8, 8), (5, 5, 5), (2, 4, 4), (6, 1, 1)]


def maps(shapes, images=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(images, *shape, generator=generator, dtype=torch.float64) for shape in shapes)


def both(images=3, student=STUDENT, teacher=TEACHER, seed=0):
    return maps(student, images, seed), maps(teacher, images, seed + 100)


def adapted(student=STUDENT, teacher=TEACHER, dtype=torch.float64, **settings):
    loss = ReviewKDLoss(**settings)
    torch.manual_seed(0)
    loss.adapt(*(tuple(level.to(dtype) for level in levels) for levels in both(1, student, teacher)))
    # At their start, norms have scale 1 and bias 0 and attention has small weights, which would hide errors.
    for name, parameter in loss.named_parameters():
        if parameter.dim() == 1 or 'attention' in name:
            nn.init.normal_(parameter, 1.0, 0.3)
    return loss


# By the book, in numpy


def nearest(maps, size):
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, maps.shape[2:], strict=True))
    return maps[:, :, rows][:, :, :, columns]


def norm(maps, weight, bias):
    mean, variance = maps.mean((0, 2, 3), keepdims=True), maps.var((0, 2, 3), keepdims=True)
    return (maps - mean) / np.sqrt(variance + 1e-5) * weight[:, None, None] + bias[:, None, None]


def pointwise(maps, weight):
    return np.einsum('oi,nihw->nohw', weight[:, :, 0, 0], maps)


def three_by_three(maps, weight):
    height, width = maps.shape[2:]
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return sum(
        np.einsum('oi,nihw->nohw', weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
        for i in range(3)
        for j in range(3)
    )


def pooled(maps, size):
    height, width = maps.shape[2:]
    return np.stack(
        [
            np.stack(
                [
                    maps[
                        :,
                        :,
                        i * height // size : -(-(i + 1) * height // size),
                        j * width // size : -(-(j + 1) * width // size),
                    ].mean((2, 3))
                    for j in range(size)
                ],
                -1,
            )
            for i in range(size)
        ],
        -2,
    )


def context(student, teacher):
    value, weights = ((student - teacher) ** 2).mean(), [1.0]
    for size in (4, 2, 1):
        if size < student.shape[2]:
            weights.append(weights[-1] / 2)
            value += weights[-1] * ((pooled(student, size) - pooled(teacher, size)) ** 2).mean()
    return value / sum(weights)


def by_the_book(loss, student, teacher):
    state = {name: value.detach().numpy() for name, value in loss.state_dict().items()}
    student, teacher = ([level.detach().numpy() for level in levels] for levels in (student, teacher))
    total, residual = 0.0, None
    for i in reversed(range(len(student))):
        part = {name.split('.', 2)[2]: value for name, value in state.items() if name.startswith(f'fusions.{i}.')}
        x = norm(pointwise(student[i], part['reduce.0.weight']), part['reduce.1.weight'], part['reduce.1.bias'])
        if i < len(student) - 1:
            residual = nearest(residual, x.shape[2:])
            scores = pointwise(np.concatenate([x, residual], 1), part['attention.weight'])
            attention = 1 / (1 + np.exp(-(scores + part['attention.bias'][:, None, None])))
            x = attention[:, :1] * x + attention[:, 1:] * residual
        residual = nearest(x, teacher[i].shape[2:])
        output = norm(three_by_three(residual, part['expand.0.weight']), part['expand.1.weight'], part['expand.1.bias'])
        total += context(output, teacher[i])
    return loss.loss_weight * total


@pytest.mark.parametrize('settings', [{}, dict(mid_channels=3), dict(loss_weight=5.0)])
def test_the_loss_is_that_of_the_formula(settings):
    loss = adapted(**settings)
    assert loss(*both()).item() == pytest.approx(by_the_book(loss, *both()), rel=1e-9)


def test_sizes_may_change_from_batch_to_batch_and_need_not_be_square_or_multiples():
    loss = adapted()
    for student, teacher in (
        ([(2, 13, 21), (3, 7, 11), (4, 4, 6), (4, 2, 3)], [(3, 13, 21), (5, 7, 11), (2, 4, 6), (6, 2, 3)]),
        ([(2, 25, 9), (3, 12, 5), (4, 6, 3), (4, 3, 2)], [(3, 26, 10), (5, 13, 5), (2, 7, 3), (6, 4, 2)]),
    ):
        levels = both(2, student, teacher)
        assert loss(*levels).item() == pytest.approx(by_the_book(loss, *levels), rel=1e-9)


# The hierarchical context


def published_maps():
    n, c, h, w = np.ogrid[:2, :3, :4, :4]
    student = np.sin(0.5 * n + 0.3 * c + 0.7 * h - 0.2 * w + 0.1)
    teacher = np.cos(0.2 * n - 0.6 * c + 0.4 * h + 0.5 * w)
    return torch.from_numpy(student), torch.from_numpy(teacher)


def test_the_context_equals_the_reference():
    student, teacher = published_maps()
    assert hierarchical_context(student, teacher).item() == pytest.approx(0.42210596, rel=1e-7)
    assert hierarchical_context(student.float(), teacher.float()).item() == pytest.approx(0.42210596, rel=1e-4)


@pytest.mark.parametrize('size', [(1, 1), (2, 2), (3, 5), (4, 4), (5, 3), (7, 9), (8, 8), (16, 2)])
def test_the_context_is_that_of_the_formula_for_all_sizes(size):
    student, teacher = (maps([(3, *size)], seed=seed)[0] for seed in (0, 1))
    expected = context(student.numpy(), teacher.numpy())
    assert hierarchical_context(student, teacher).item() == pytest.approx(expected, rel=1e-9)


def test_the_context_of_equal_maps_is_zero_and_that_of_a_constant_offset_its_square():
    for size in (1, 4, 9):
        (level,) = maps([(3, size, size)])
        assert hierarchical_context(level, level) == 0
        assert hierarchical_context(level + 3, level).item() == pytest.approx(9)


def test_the_context_takes_no_note_of_the_order_of_images_and_channels():
    student, teacher = published_maps()
    expected = hierarchical_context(student, teacher).item()
    assert hierarchical_context(student.flip(0, 1), teacher.flip(0, 1)).item() == pytest.approx(expected)
    assert hierarchical_context(student.flip(2), teacher).item() != pytest.approx(expected, rel=1e-2)


# What is learned


@pytest.mark.parametrize(
    ('student', 'teacher', 'settings', 'count'),
    [
        ([(64, 32, 32), (128, 16, 16), (256, 8, 8), (256, 1, 1)],) * 2 + ({}, 1_808_774),
        ([(256, 2**i, 2**i) for i in (4, 3, 2, 1, 0)],) * 2 + (dict(mid_channels=256), 3_286_024),
        ([(256, 2**i, 2**i) for i in (4, 3, 2, 1, 0)],) * 2 + ({}, 3_286_024),
    ],
)
def test_it_learns_as_many_parameters_as_published(student, teacher, settings, count):
    loss = ReviewKDLoss(**settings)
    loss.adapt(*([torch.zeros(1, *shape) for shape in levels] for levels in (student, teacher)))
    assert sum(parameter.numel() for parameter in loss.parameters()) == count


def test_the_middle_is_as_wide_as_the_deepest_level_but_at_most_512():
    for deepest, wanted in ((24, 24), (600, 512)):
        loss = adapted(student=[(2, 4, 4), (deepest, 1, 1)], teacher=[(2, 4, 4), (3, 1, 1)])
        assert [fusion.reduce[0].out_channels for fusion in loss.fusions] == [wanted] * 2


def test_convolutions_begin_uniform_with_the_variance_of_one_over_fan_in():
    loss = ReviewKDLoss()
    loss.adapt(*([torch.zeros(1, 64, 4, 4)],) * 2)
    for weight in (loss.fusions[0].reduce[0].weight, loss.fusions[0].expand[0].weight):
        fan_in = weight[0].numel()
        assert weight.abs().max().item() == pytest.approx((3 / fan_in) ** 0.5, rel=0.01)
        assert weight.var().item() == pytest.approx(1 / fan_in, rel=0.1)


def test_the_gradient_is_that_of_finite_differences():
    loss = adapted(student=STUDENT[1:3], teacher=TEACHER[1:3])
    student, teacher = both(2, STUDENT[1:3], TEACHER[1:3])
    inputs = tuple(level.requires_grad_() for level in student)
    names, parameters = zip(*loss.named_parameters(), strict=True)

    def of(*values):
        state = dict(zip(names, values[len(inputs) :], strict=True))
        return torch.func.functional_call(loss, state, (values[: len(inputs)], teacher))

    values = (*inputs, *(parameter.detach().requires_grad_() for parameter in parameters))
    assert torch.autograd.gradcheck(of, values)


def test_the_gradient_reaches_the_student_and_all_that_is_learned_but_not_the_teacher():
    loss = adapted()
    student, teacher = (tuple(level.requires_grad_() for level in levels) for levels in both())
    loss(student, teacher).backward()
    assert all(level.grad.abs().sum() > 0 for level in student)
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())
    assert all(level.grad is None for level in teacher)


def test_a_shallow_level_is_taught_to_the_deeper_ones_too_and_not_the_other_way_round():
    loss = adapted().eval()
    student, teacher = both()

    def changed(level):
        altered = list(student)
        altered[level] = altered[level] + maps(STUDENT, seed=9)[level]
        before, after = (loss._reviewed(levels, teacher) for levels in (student, altered))
        return [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]

    assert changed(0) == [True, False, False, False]
    assert changed(3) == [True, True, True, True]


def test_training_lowers_the_loss():
    loss = adapted()
    student, teacher = both()
    student = tuple(level.requires_grad_() for level in student)
    optimizer = torch.optim.SGD([*student, *loss.parameters()], lr=0.05, momentum=0.9)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(student, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]


# Precision and small batches


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_layers_follow_autocast_and_the_context_is_in_float32(half, monkeypatch):
    loss = adapted(dtype=torch.float32)
    student, teacher = (tuple(level.to(half) for level in levels) for levels in both())
    full = copy.deepcopy(loss)(*(tuple(level.float() for level in levels) for levels in (student, teacher)))
    student = tuple(level.requires_grad_() for level in student)
    seen = []
    loss.fusions[0].expand[0].register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    monkeypatch.setattr(
        'luminet_det.losses.reviewkd.hierarchical_context',
        lambda s, t: seen.extend((s.dtype, t.dtype)) or hierarchical_context(s, t),
    )
    with torch.autocast('cpu', dtype=half):
        value = loss(student, teacher)
    value.backward()
    assert seen == [half] + [torch.float32] * 2 * len(STUDENT)
    assert value.item() == pytest.approx(full.item(), rel=0.05)
    assert all(torch.isfinite(level.grad).all() for level in student)


@pytest.mark.parametrize('images', [0, 1])
def test_one_image_and_none_give_finite_values_gradients_and_statistics(images):
    loss = adapted()
    student, teacher = both(images)
    student = tuple(level.requires_grad_() for level in student)
    value = loss(student, teacher)
    value.backward()
    assert torch.isfinite(value)
    assert (value == 0) == (images == 0)
    assert all(torch.isfinite(level.grad).all() for level in student)
    assert all(torch.isfinite(parameter.grad).all() for parameter in loss.parameters())
    assert all(torch.isfinite(buffer).all() for buffer in loss.buffers())


def test_the_memorys_layout_does_not_matter():
    loss = adapted()
    expected = loss(*both()).item()
    levels = (tuple(x.to(memory_format=torch.channels_last) for x in network) for network in both())
    assert loss(*levels).item() == pytest.approx(expected, rel=1e-9)


# State and settings


def test_what_is_learned_is_saved_and_restored():
    loss, other = adapted(), ReviewKDLoss()
    loss(*both())
    other.adapt(*both(1))
    other.load_state_dict(loss.state_dict())
    assert other(*both(seed=1)) == loss(*both(seed=1))
    for one, two in zip(other.state_dict().values(), loss.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_the_layers_are_built_beside_the_examples_in_at_least_single_precision():
    found = {value.dtype for value in adapted(dtype=torch.bfloat16).state_dict().values() if value.is_floating_point()}
    assert found == {torch.float32}
    loss = ReviewKDLoss()
    loss.adapt(*(tuple(level.to('meta') for level in levels) for levels in both(1)))
    assert {value.device.type for value in loss.state_dict().values()} == {'meta'}


def test_the_settings_are_printed_and_the_default_weight_is_one():
    assert 'mid_channels=None, loss_weight=1' in repr(ReviewKDLoss())
    assert 'mid_channels=256, loss_weight=5' in repr(ReviewKDLoss(mid_channels=256, loss_weight=5.0))


def test_bad_settings_are_refused():
    for middle in (0, -1, 2.5):
        with pytest.raises(ValueError, match=f'mid_channels must be .*got mid_channels={middle}'):
            ReviewKDLoss(mid_channels=middle)
    with pytest.raises(ValueError, match='loss_weight must be'):
        ReviewKDLoss(loss_weight=-1)


def test_before_adapt_it_says_what_to_call():
    with pytest.raises(RuntimeError, match='call adapt'):
        ReviewKDLoss()(*both())


def test_other_levels_than_adapted_to_are_refused():
    loss = adapted()
    student, teacher = both()
    for call in (loss, ReviewKDLoss().adapt):
        with pytest.raises(ValueError, match='as many feature maps .*got 3 and 4. Choose them in the term: stages='):
            call(student[1:], teacher)
        with pytest.raises(ValueError, match='of the same N images'):
            call(student, maps(TEACHER, 2))
    with pytest.raises(ValueError, match=r'adapted to levels of .* channels \(student, teacher\); got \[\(3, 5\)'):
        loss(student[1:], teacher[1:])
