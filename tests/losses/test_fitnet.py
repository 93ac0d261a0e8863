import numpy as np
import pytest
import torch
from torch import nn

from luminet_det.losses.fitnet import FitNetLoss
from tests.losses.example_maps import maps, vectors


def adapted(student, teacher, **settings):
    loss = FitNetLoss(**settings)
    loss.adapt(student, teacher)
    return loss


def identity(loss):
    for conv in loss.adaptors:
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    return loss.double()


def test_behind_a_regressor_that_changes_nothing_it_is_the_mean_square_of_the_reference():
    student, teacher = vectors()
    loss = identity(adapted([student], [teacher], loss_weight=1.0, regressor='conv'))
    assert loss([student], [teacher]).item() == pytest.approx(0.51051656, rel=1e-7)
    assert loss.float()([student.float()], [teacher.float()]).item() == pytest.approx(0.51051656, rel=1e-4)
    assert loss([student.float()], [student.float()]) == 0


def test_it_is_the_mean_square_behind_convolution_norm_and_relu():
    student, teacher = maps(3, 4, 5, 5), maps(3, 6, 5, 5, seed=1)
    loss = adapted([student], [teacher], loss_weight=1.0).double()
    conv, norm, _ = loss.adaptors[0]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    weight, bias, scale, offset = (p.detach().numpy() for p in (conv.weight, conv.bias, norm.weight, norm.bias))
    hidden = np.einsum('nchw,dc->ndhw', student.numpy(), weight[:, :, 0, 0]) + bias[:, None, None]
    mean, variance = hidden.mean((0, 2, 3), keepdims=True), hidden.var((0, 2, 3), keepdims=True)
    hidden = (hidden - mean) / np.sqrt(variance + 1e-5) * scale[:, None, None] + offset[:, None, None]
    expected = ((np.maximum(hidden, 0) - teacher.numpy()) ** 2).mean()
    assert loss([student], [teacher]).item() == pytest.approx(expected, rel=1e-9)


def test_levels_are_added():
    student, teacher = (maps(2, 3, 4, 4), maps(2, 3, 2, 2)), (maps(2, 3, 4, 4, seed=1), maps(2, 3, 2, 2, seed=1))
    loss = identity(adapted(student, teacher, regressor='conv'))
    parts = [((own - other) ** 2).numpy().mean() for own, other in zip(student, teacher, strict=True)]
    assert loss(student, teacher).item() == pytest.approx(100 * sum(parts))


def test_for_resnet32x4_and_resnet8x4_it_learns_the_published_number_of_parameters():
    loss = adapted([torch.zeros(1, 128, 16, 16)], [torch.zeros(1, 128, 16, 16)])
    assert sum(parameter.numel() for parameter in loss.parameters()) == 16_768


def test_the_default_weight_is_that_of_the_cifar_tables():
    assert FitNetLoss().loss_weight == 100
    assert "loss_weight=100, regressor='conv_norm_relu'" in repr(FitNetLoss())


@pytest.mark.parametrize('regressor', ['conv_norm_relu', 'conv'])
@pytest.mark.parametrize(
    ('student', 'teacher', 'kind', 'kernel', 'stride'),
    [
        ((8, 8), (8, 8), nn.Conv2d, (1, 1), (1, 1)),
        ((1, 1), (1, 1), nn.Conv2d, (1, 1), (1, 1)),
        ((8, 8), (6, 5), nn.Conv2d, (3, 4), (1, 1)),
        ((32, 32), (8, 8), nn.Conv2d, (25, 25), (1, 1)),
        ((16, 16), (8, 8), nn.Conv2d, (3, 3), (2, 2)),
        ((25, 32), (13, 16), nn.Conv2d, (3, 3), (2, 2)),
        ((2, 2), (1, 1), nn.Conv2d, (3, 3), (2, 2)),
        ((8, 8), (16, 16), nn.ConvTranspose2d, (4, 4), (2, 2)),
        ((13, 16), (25, 32), nn.ConvTranspose2d, (4, 4), (2, 2)),
    ],
)
def test_the_convolution_follows_the_sizes(student, teacher, kind, kernel, stride, regressor):
    own, other = maps(2, 3, *student, dtype=torch.float32), maps(2, 4, *teacher, dtype=torch.float32)
    loss = adapted([own], [other], regressor=regressor)
    conv = loss.adaptors[0] if regressor == 'conv' else loss.adaptors[0][0]
    assert (type(conv), conv.kernel_size, conv.stride) == (kind, kernel, stride)
    assert (conv.in_channels, conv.out_channels, conv.bias is not None) == (3, 4, True)
    assert loss([own], [other]).isfinite()


@pytest.mark.parametrize('teacher', [(32, 32), (6, 2), (3, 8)])
def test_sizes_that_it_cannot_bridge_are_refused_with_all_shapes_and_what_to_write(teacher):
    levels = [torch.zeros(1, 3, 8, 8), torch.zeros(1, 5, 4, 4)], [torch.zeros(1, 3, 8, 8), torch.zeros(1, 7, *teacher)]
    with pytest.raises(ValueError, match='has no adaptor') as error:
        FitNetLoss().adapt(*levels)
    for part in (
        f"[(3, 8, 8), (5, 4, 4)] to the teacher's [(3, 8, 8), (7, {teacher[0]}, {teacher[1]})]",
        "as large as the teacher's, larger, or half as large",
        'stages=[...]',
        'levels=[...]',
    ):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ('examples', 'student', 'teacher', 'compared'),
    [
        (((8, 8), (8, 8)), (7, 9), (8, 8), (7, 8)),
        (((8, 8), (4, 4)), (9, 8), (4, 4), (4, 4)),
        (((8, 8), (16, 16)), (8, 9), (15, 18), (15, 18)),
    ],
)
def test_of_sizes_that_were_rounded_otherwise_the_common_positions_count(examples, student, teacher, compared):
    own, other = (maps(1, 3, *size) for size in examples)
    loss = adapted([own], [other], loss_weight=1.0, regressor='conv').double()
    own, other = maps(2, 3, *student).requires_grad_(), maps(2, 3, *teacher, seed=1)
    height, width = compared
    bridged = loss.adaptors[0](own).detach().numpy()[..., :height, :width]
    expected = ((bridged - other.numpy()[..., :height, :width]) ** 2).mean()
    value = loss([own], [other])
    value.backward()
    assert value.item() == pytest.approx(expected)
    assert own.grad.abs().sum() > 0


def test_the_relu_keeps_the_classification_form_from_negative_values():
    student, teacher = [maps(4, 3, 5, 5, dtype=torch.float32)], [torch.full((4, 2, 5, 5), -1.0)]
    assert adapted(student, teacher, loss_weight=1.0)(student, teacher) >= 1
    plain = adapted(student, teacher, loss_weight=1.0, regressor='conv')
    nn.init.zeros_(plain.adaptors[0].weight)
    nn.init.constant_(plain.adaptors[0].bias, -1)
    assert plain(student, teacher) == 0


def test_another_regressor_is_refused_by_name():
    with pytest.raises(ValueError, match=r"regressor must be 'conv_norm_relu' or 'conv', got regressor='linear'"):
        FitNetLoss(regressor='linear')
