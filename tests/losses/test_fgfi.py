import numpy as np
import pytest
import torch
from torch import nn

from luminet_det.losses.fgfi import FGFILoss
from tests.losses.example_maps import maps

SIDES = (8, 4)
INPUT = 64


def priors():
    """Two square anchors at each position of each level, some of which cross the border of the image."""
    found = []
    for side in SIDES:
        stride = INPUT / side
        centre = (np.arange(side) + 0.5) * stride
        y, x = np.meshgrid(centre, centre, indexing='ij')
        half = np.array([0.6, 1.2]) * stride
        corners = [axis[..., None] + sign * half for sign in (-1, 1) for axis in (x, y)]
        found.append(torch.from_numpy(np.stack(corners, axis=-1)))
    return tuple(found)


BOXES = [
    torch.tensor([[5.0, 6, 14, 16], [30, 20, 60, 50]]).double(),
    torch.zeros(0, 4).double(),
    torch.tensor([[40.0, 40, 49, 47]]).double(),
]


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def masks(boxes, priors, threshold):
    """Which positions count, box by box and anchor by anchor: (N, H, W) for each level, 1 where they do."""
    found = [np.zeros((len(boxes), *level.shape[:2])) for level in priors]
    for image, truth in enumerate(boxes):
        for box in truth.numpy():
            overlaps = [np.array([iou(a, box) for a in p.reshape(-1, 4).numpy()]).reshape(p.shape[:3]) for p in priors]
            peak = max(level.max() for level in overlaps)
            for mask, level in zip(found, overlaps, strict=True):
                mask[image] = np.maximum(mask[image], (level > threshold * peak).any(2))
    return found


def levels(channels, number=3, seed=0, sides=SIDES):
    return [maps(number, channels, side, side, seed=seed + i) for i, side in enumerate(sides)]


def adapted(student, teacher, identity=False, **settings):
    loss = FGFILoss(**settings)
    loss.adapt(student, teacher)
    for conv in (module for module in loss.modules() if isinstance(module, nn.Conv2d)):
        (nn.init.dirac_ if identity else nn.init.kaiming_uniform_)(conv.weight)
    return loss.double()


@pytest.mark.parametrize('threshold', [0.5, 0.8])
def test_it_is_the_squares_at_the_positions_whose_anchors_are_near_a_box(threshold):
    student, teacher = levels(4), levels(4, seed=5)
    loss = adapted(student, teacher, identity=True, threshold=threshold, loss_weight=1.0)
    where = masks(BOXES, priors(), threshold)
    assert 0 < where[0].sum() < where[0].size
    assert 0 < where[1].sum() < where[1].size
    squares = [((a - b) ** 2).sum(1).numpy() for a, b in zip(student, teacher, strict=True)]
    total = sum((mask * square).sum() for mask, square in zip(where, squares, strict=True))
    expected = total / (2 * sum(mask.sum() for mask in where))
    assert loss(student, teacher, boxes=BOXES, priors=priors()).item() == pytest.approx(expected, rel=1e-9)


def test_the_adaptation_is_a_convolution_of_nine_positions_and_a_relu():
    student, teacher = levels(3, number=1), levels(5, number=1, seed=5)
    loss = adapted(student, teacher, relu=True, loss_weight=1.0)
    where = masks(BOXES[:1], priors(), 0.5)
    total = 0
    for adaptor, own, other, mask in zip(loss.adaptors, student, teacher, where, strict=True):
        weight, padded = adaptor[0].weight.detach().numpy(), np.pad(own.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
        side = own.shape[2]
        hidden = sum(
            np.einsum('nchw,dc->ndhw', padded[..., i : i + side, j : j + side], weight[:, :, i, j])
            for i in range(3)
            for j in range(3)
        )
        total += (mask * ((np.maximum(hidden, 0) - other.numpy()) ** 2).sum(1)).sum()
    expected = total / (2 * sum(mask.sum() for mask in where))
    assert loss(student, teacher, boxes=BOXES[:1], priors=priors()).item() == pytest.approx(expected, rel=1e-9)


def test_standardised_it_is_the_mean_square_to_maps_of_unit_deviation():
    student, teacher = levels(4), levels(4, seed=5)
    loss = adapted(student, teacher, identity=True, standardize=True, loss_weight=1.0)
    total = number = 0
    for own, other, mask in zip(student, teacher, masks(BOXES, priors(), 0.5), strict=True):
        other = other.numpy()
        unit = (other - other.mean((0, 2, 3), keepdims=True)) / other.std((0, 2, 3), keepdims=True, ddof=1)
        total, number = total + (mask * ((own.numpy() - unit) ** 2).mean(1)).sum(), number + mask.sum()
    found = loss(student, teacher, boxes=BOXES, priors=priors()).item()
    assert found == pytest.approx(total / (2 * number), rel=1e-5)


@pytest.mark.parametrize(('scale', 'offset', 'copies'), [(1000.0, 0.0, 1), (0.01, 50.0, 1), (1.0, 0.0, 3)])
def test_standardised_its_weight_goes_with_neither_width_nor_magnitude(scale, offset, copies):
    def value(teacher):
        torch.manual_seed(0)
        loss = FGFILoss(standardize=True)
        loss.adapt(student, teacher)
        return loss.double()(student, teacher, boxes=BOXES, priors=priors())

    student, teacher = levels(4), levels(4, seed=5)
    other = [torch.cat([scale * level + offset] * copies, dim=1) for level in teacher]
    torch.testing.assert_close(value(other), value(teacher), rtol=1e-3, atol=0)


def test_standardised_a_constant_channel_of_the_teacher_is_zero():
    student, teacher = ([level.float() for level in levels(4, seed=seed)] for seed in (0, 5))
    loss = adapted(student, teacher, identity=True, standardize=True).float()
    values = []
    for constant in (0.3, 0.0):
        for level in teacher:
            level[:, 1] = constant
        values.append(loss(student, teacher, boxes=BOXES, priors=priors()))
    assert torch.equal(*values)


def test_all_levels_have_one_maximum():
    # The box equals an anchor of the coarse level, and no fine anchor has half that IoU; alone, some of them count.
    truth = [priors()[1][1, 2, 1].unsqueeze(0)]
    found = FGFILoss()._masks(truth, priors())
    assert found[1].any()
    assert not found[0].any()
    assert masks(truth, priors()[:1], 0.5)[0].any()


def test_anchors_across_the_border_count():
    corner = [torch.tensor([[0.0, 0, 4, 4]]).double()]
    found = FGFILoss()._masks(corner, priors())
    assert found[0][0, 0, 0]
    assert priors()[0][0, 0].min() < 0


def test_a_box_far_smaller_than_every_anchor_counts_where_its_own_largest_iou_is():
    small = [torch.tensor([[20.2, 20.3, 21.2, 21.1]]).double()]
    found = FGFILoss()._masks(small, priors())
    assert max(iou(anchor, small[0][0]) for level in priors() for anchor in level.reshape(-1, 4)) < 0.05
    assert sum(level.sum() for level in found) > 0
    assert all((mask.numpy() == own).all() for mask, own in zip(found, masks(small, priors(), 0.5), strict=True))


def test_a_box_that_no_anchor_meets_marks_nothing():
    assert not any(level.any() for level in FGFILoss()._masks([torch.tensor([[900.0, 900, 950, 950]])], priors()))


def test_only_where_it_counts_there_is_a_gradient_for_the_student():
    student, teacher = levels(4), levels(4, seed=5)
    loss = adapted(student, teacher, identity=True)
    student = [level.requires_grad_() for level in student]
    loss(student, teacher, boxes=BOXES, priors=priors()).backward()
    for level, mask in zip(student, masks(BOXES, priors(), 0.5), strict=True):
        assert np.array_equal(level.grad.abs().sum(1).numpy() > 0, mask > 0)
        assert level.grad[1].abs().sum() == 0


@pytest.mark.parametrize('boxes', [[torch.zeros(0, 4)] * 3, [torch.tensor([[900.0, 900, 950, 950]])] * 3])
def test_without_boxes_it_is_a_zero_that_is_attached_to_student_and_adaptors(boxes):
    student, teacher = [level.requires_grad_() for level in levels(4)], levels(4, seed=5)
    loss = adapted(student, teacher)
    value = loss(student, teacher, boxes=boxes, priors=priors())
    value.backward()
    assert value == 0
    assert all(level.grad.abs().max() == 0 for level in student)
    assert all(parameter.grad.abs().max() == 0 for parameter in loss.parameters())


def test_a_student_equal_to_its_teacher_costs_nothing():
    teacher = levels(4)
    loss = adapted(teacher, teacher, identity=True)
    assert loss(teacher, teacher, boxes=BOXES, priors=priors()) == 0


def test_without_the_relu_negative_values_can_be_imitated():
    teacher = [-level.abs() for level in levels(4)]
    needs = dict(boxes=BOXES, priors=priors())
    assert adapted(teacher, teacher, identity=True, relu=True)(teacher, teacher, **needs) > 0
    assert adapted(teacher, teacher, identity=True)(teacher, teacher, **needs) == 0


def test_boxes_may_be_of_another_precision_than_the_anchors():
    student, teacher = levels(4), levels(4, seed=5)
    loss = adapted(student, teacher)
    exact = loss(student, teacher, boxes=BOXES, priors=priors())
    rounded = loss(student, teacher, boxes=[truth.bfloat16() for truth in BOXES], priors=[p.float() for p in priors()])
    torch.testing.assert_close(rounded, exact)


def test_of_a_teacher_that_rounds_sizes_up_the_common_positions_count():
    student, teacher = levels(4), levels(4, seed=5, sides=(9, 5))
    loss = adapted(student, levels(4))
    found = loss(student, teacher, boxes=BOXES, priors=priors())
    cut = [level[..., :side, :side] for level, side in zip(teacher, SIDES, strict=True)]
    torch.testing.assert_close(found, loss(student, cut, boxes=BOXES, priors=priors()))


def test_it_starts_from_weights_of_the_published_deviation():
    torch.manual_seed(0)
    loss = FGFILoss()
    loss.adapt([torch.zeros(1, 32, 4, 4)], [torch.zeros(1, 64, 4, 4)])
    conv = loss.adaptors[0]
    assert conv.weight.std().item() == pytest.approx(1e-4, rel=0.05)
    assert conv.bias.abs().max() == 0


def test_the_defaults_are_the_published_ones_but_for_the_relu_which_a_neck_has_not():
    loss = FGFILoss()
    assert (loss.threshold, loss.relu, loss.standardize, loss.loss_weight) == (0.5, False, False, 0.01)
    assert FGFILoss.needs == ('boxes', 'priors')
    assert 'threshold=0.5, relu=False, standardize=False' in repr(loss)


@pytest.mark.parametrize('threshold', [1, 1.5, -0.1, float('nan'), '0.5'])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match=f'threshold must be at least 0 and below 1, got threshold={threshold!r}'):
        FGFILoss(threshold=threshold)


def test_a_relu_on_standardised_maps_is_refused():
    with pytest.raises(ValueError, match='relu=True gives no negative values'):
        FGFILoss(relu=True, standardize=True)


def test_sizes_that_differ_are_refused_with_all_shapes_and_what_to_write():
    with pytest.raises(
        ValueError, match=r"\[\(4, 8, 8\)\] to the teacher's \[\(4, 4, 4\)\].*as large as .*levels=\[...\]"
    ):
        FGFILoss().adapt([torch.zeros(1, 4, 8, 8)], [torch.zeros(1, 4, 4, 4)])


@pytest.mark.parametrize(
    ('boxes', 'anchors'), [(BOXES[:2], priors()), (BOXES, priors()[:1]), (BOXES, tuple(reversed(priors())))]
)
def test_boxes_or_anchors_that_do_not_fit_the_maps_are_refused(boxes, anchors):
    student = levels(4)
    with pytest.raises(
        ValueError, match=r'needs priors, .* got maps \[\(8, 8\), \(4, 4\)\] of 3 images, priors'
    ) as error:
        adapted(student, student)(student, student, boxes=boxes, priors=anchors)
    assert f'priors {[tuple(p.shape[:2]) for p in anchors]} and the boxes of {len(boxes)} images' in str(error.value)
