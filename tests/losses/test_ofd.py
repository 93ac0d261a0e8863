import math

import numpy as np
import pytest
import torch
from torch import nn

from luminet_det.classification import DistillClassifier
from luminet_det.distillation.terms import Term
from luminet_det.losses.ofd import OFDLoss
from tests.losses.example_maps import maps, vectors

# A norm of this weight and bias 0 has the margin -0.5: the negative values have the mean -weight * sqrt(2 / pi).
WEIGHT = 0.5 / 0.7978845608028654


def norm(weight, bias):
    found = nn.BatchNorm2d(len(weight))
    found.weight.data = torch.as_tensor(weight, dtype=torch.float64)
    found.bias.data = torch.as_tensor(bias, dtype=torch.float64)
    return found


def adapted(student, teacher, connected=True, **settings):
    """A loss in float64; unless `connected`, its connectors are the identity."""
    loss = OFDLoss(**settings)
    loss.adapt(student, teacher)
    if not connected:
        loss.adaptors = nn.ModuleList(nn.Identity() for _ in student)
    return loss.double()


def margins(before):
    level = [torch.zeros(1, before.num_features, 1, 1, dtype=torch.float64)]
    loss = adapted(level, level)
    loss(level, level, norms=[before])
    return loss.margins.tolist()


def partial(student, teacher, margin):
    """The partial distance case by case: active target, inactive target above the margin, and not above the margin."""
    total = 0.0
    for s, t, m in zip(student.ravel(), teacher.ravel(), np.broadcast_to(margin, teacher.shape).ravel(), strict=True):
        if t > 0 or (m < t <= 0 and s > t):
            total += (s - t) ** 2
        elif t <= m < s:
            total += (s - m) ** 2
    return total / len(student)


def test_the_partial_distance_equals_the_reference():
    student, teacher = vectors()
    loss = adapted([student], [teacher], connected=False, loss_weight=1.0)
    needs = dict(norms=[norm([WEIGHT] * 3, [0.0] * 3)])
    assert loss([student], [teacher], **needs).item() == pytest.approx(21.66431214, rel=1e-7)
    assert loss.float()([student.float()], [teacher.float()], **needs).item() == pytest.approx(21.66431214, rel=1e-4)


def test_the_margins_equal_the_reference():
    found = margins(norm([0.8, 1.5, 0.2], [-0.3, 0.5, 1.0]))
    assert found == pytest.approx([-0.76038068, -1.03224553, -0.6], rel=1e-6)


@pytest.mark.parametrize(('weight', 'bias'), [(0.7, 0.4), (-1.3, -2.0), (0.9, 2.5)])
def test_a_margin_is_the_mean_of_the_negative_part_of_a_normal_distribution(weight, bias):
    values = np.linspace(bias - 12 * abs(weight), 0, 200_001)
    density = np.exp(-(((values - bias) / weight) ** 2) / 2)
    expected = (values * density).sum() / density.sum()
    assert margins(norm([weight], [bias]))[0] == pytest.approx(expected, rel=1e-3)


def test_margins_change_form_where_negative_values_become_rare():
    # Phi(-3.0902) is 0.001, the limit.
    common, rare = margins(norm([1.0, 1.0], [3.090, 3.091]))
    expected = 3.090 - math.exp(-(3.090**2) / 2) / math.sqrt(2 * math.pi) / (math.erfc(3.090 / math.sqrt(2)) / 2)
    assert common == pytest.approx(expected, rel=1e-4)
    assert rare == -3


def test_a_channel_that_is_constant_has_its_bias_as_margin_if_that_is_negative():
    assert margins(norm([0.0, 0.0, 0.0], [-0.5, 0.0, 0.5])) == pytest.approx([-0.5, 0, 0], abs=1e-9)


def test_it_is_the_three_cases_of_its_definition_deeper_stages_counting_twice_as_much():
    shapes = [(2, 3, 4, 4), (2, 2, 2, 2), (2, 4, 1, 1)]
    student = [maps(*shape, seed=i) for i, shape in enumerate(shapes)]
    teacher = [maps(*shape, seed=i + 5) for i, shape in enumerate(shapes)]
    norms = [norm(maps(shape[1], seed=i), maps(shape[1], seed=i + 9)) for i, shape in enumerate(shapes)]
    expected = 0
    for own, other, one, share in zip(student, teacher, norms, (1 / 4, 1 / 2, 1), strict=True):
        margin = np.array(margins(one))[None, :, None, None]
        expected += share * partial(own.numpy(), other.numpy(), margin)
    loss = adapted(student, teacher, connected=False)
    assert loss(student, teacher, norms=norms).item() == pytest.approx(1e-3 * expected, rel=1e-9)


def test_a_larger_map_of_the_teacher_is_pooled():
    student, teacher = maps(2, 3, 2, 2), maps(2, 3, 4, 4, seed=1)
    norms = [norm([1.0] * 3, [0.1] * 3)]
    small = teacher.reshape(2, 3, 2, 2, 2, 2).mean((3, 5))
    loss = adapted([student], [teacher], connected=False)
    torch.testing.assert_close(loss([student], [teacher], norms=norms), loss([student], [small], norms=norms))


def test_a_connector_is_a_convolution_without_bias_and_a_norm():
    student, teacher = maps(3, 4, 5, 5), maps(3, 6, 5, 5, seed=1)
    loss = adapted([student], [teacher], loss_weight=1.0)
    weight = loss.adaptors[0][0].weight.detach().numpy()[:, :, 0, 0]
    hidden = np.einsum('nchw,dc->ndhw', student.numpy(), weight)
    hidden = (hidden - hidden.mean((0, 2, 3), keepdims=True)) / np.sqrt(hidden.var((0, 2, 3), keepdims=True) + 1e-5)
    norms = [norm([WEIGHT] * 6, [0.0] * 6)]
    expected = partial(hidden, teacher.numpy(), -0.5)
    assert loss([student], [teacher], norms=norms).item() == pytest.approx(expected, rel=1e-6)


def test_a_connector_starts_with_the_published_deviation():
    torch.manual_seed(0)
    weight = adapted([torch.zeros(1, 256, 1, 1)], [torch.zeros(1, 128, 1, 1)]).adaptors[0][0].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.02)


def test_for_resnet32x4_and_resnet8x4_it_learns_the_published_number_of_parameters():
    levels = [torch.zeros(1, channels, 2, 2) for channels in (64, 128, 256)]
    assert sum(parameter.numel() for parameter in adapted(levels, levels).parameters()) == 86_912


def test_a_student_equal_to_its_teacher_costs_nothing_nor_does_one_that_is_below_zero_with_it():
    teacher = maps(2, 3, 4, 4, seed=1).clamp(min=-0.2)
    loss = adapted([teacher], [teacher], connected=False)
    norms = [norm([WEIGHT] * 3, [0.0] * 3)]
    below = torch.where(teacher <= 0, teacher - 5, teacher)
    for student in (teacher, below):
        student = student.clone().requires_grad_()
        value = loss([student], [teacher], norms=norms)
        value.backward()
        assert value == 0
        assert student.grad.abs().max() == 0
    assert loss([teacher + 0.1], [teacher], norms=norms) > 0


def test_the_margins_are_computed_at_the_first_step_and_kept_in_the_state(tmp_path):
    student, teacher = [maps(2, 3, 4, 4)], [maps(2, 3, 4, 4, seed=1)]
    loss = adapted(student, teacher)
    norms = [norm([0.8, 1.5, 0.2], [-0.3, 0.5, 1.0])]
    assert loss.margins.tolist() == [0, 0, 0]
    value = loss(student, teacher, norms=norms)
    norms[0].weight.data.zero_()
    assert torch.equal(loss(student, teacher, norms=norms), value)
    assert loss.state_dict()['margins'].tolist() == pytest.approx([-0.76038068, -1.03224553, -0.6], rel=1e-6)


def test_the_default_weight_is_that_of_the_cifar_tables():
    assert OFDLoss().loss_weight == 1e-3
    assert OFDLoss.needs == ('norms',)


@pytest.mark.parametrize(
    ('norms', 'found'),
    [
        ([nn.BatchNorm2d(4)], r'\[4\]'),
        ([nn.BatchNorm2d(3)] * 2, r'\[3, 3\]'),
        ([nn.BatchNorm2d(3, affine=False)], r'\[None\]'),
        ([None], r'\[None\]'),
    ],
)
def test_norms_that_do_not_fit_the_teacher_are_refused(norms, found):
    level = [maps(2, 3, 4, 4)]
    with pytest.raises(ValueError, match=r'needs norms, .* of \[3\] channels; got ' + found + '.*stages='):
        adapted(level, level)(level, level, norms=norms)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(relu='after'), "OFDLoss needs relu='before' in its term"),
        (dict(relu='before', pooled=True), 'OFDLoss needs pooled=False in its term'),
    ],
)
def test_a_term_whose_maps_end_in_no_norm_is_refused_with_the_option_to_write(options, message):
    setting = dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss'))
    with pytest.raises(ValueError, match=message):
        Term.from_setting(setting | options, DistillClassifier.taps)
    Term.from_setting(setting | dict(relu='before', pooled=False), DistillClassifier.taps)
