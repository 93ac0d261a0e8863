import math

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from luminet_det.losses.fgd import FGDLoss, _attention

WEIGHTS = ('foreground_weight', 'background_weight', 'attention_weight', 'relation_weight')
IMAGE = (32, 48)
BOXES = [torch.tensor([[3.0, 2.0, 20.0, 11.0], [8.0, 8.0, 40.0, 32.0]]), torch.zeros(0, 4)]


def maps(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def adapted(student, teacher, seed=0, trained=False, **settings):
    torch.manual_seed(seed)
    loss = FGDLoss(**settings)
    loss.adapt(student, teacher)
    if trained:
        for parameter in loss.contexts.parameters():
            torch.nn.init.normal_(parameter)
    return loss.to(student[0].dtype)


def only(part, weight=1.0):
    return dict.fromkeys(WEIGHTS, 0.0) | {part: weight}


def compare(student, teacher, boxes=BOXES, image_size=IMAGE, **settings):
    return adapted((student,), (teacher,), **settings)((student,), (teacher,), boxes=boxes, image_size=image_size)


def softmax(values):
    values = np.exp(values)
    return values / values.sum()


def attention_by_the_book(image):
    """The attention of one image (C, H, W): S (H, W) and A (C,)."""
    channels, height, width = image.shape
    positions = height * width * softmax((np.abs(image).mean(0) / 0.5).ravel()).reshape(height, width)
    return positions, channels * softmax(np.abs(image).mean((1, 2)) / 0.5)


def masks_by_the_book(boxes, height, width, image_size):
    """The masks M_fg and M_bg (H, W) of one image, box by box and cell by cell."""
    foreground = np.zeros((height, width))
    for x1, y1, x2, y2 in boxes.tolist():
        left, right = math.floor(x1 * width / image_size[1]), math.ceil(x2 * width / image_size[1])
        top, bottom = math.floor(y1 * height / image_size[0]), math.ceil(y2 * height / image_size[0])
        for y in range(max(top, 0), min(bottom, height - 1) + 1):
            for x in range(max(left, 0), min(right, width - 1) + 1):
                foreground[y, x] = max(foreground[y, x], 1 / ((bottom - top + 1) * (right - left + 1)))
    background = (foreground == 0).astype(float)
    return foreground, background / max(background.sum(), 1)


def context_by_the_book(image, block):
    """One image (C, H, W) plus the vector that a global context block adds to it."""
    p = {name: value.detach().numpy() for name, value in block.named_parameters()}
    flat = image.reshape(len(image), -1)
    pooled = flat @ softmax(p['attend.weight'][0, :, 0, 0] @ flat + p['attend.bias'])
    hidden = p['transform.0.weight'] @ pooled + p['transform.0.bias']
    hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5) * p['transform.1.weight'] + p['transform.1.bias']
    added = p['transform.3.weight'] @ np.maximum(hidden, 0) + p['transform.3.bias']
    return image + added[:, None, None]


def by_the_book(loss, student, teacher, boxes, image_size):
    """The four parts of the first level, without their weights, image by image, in numpy."""
    parts = np.zeros(4)
    for own, other, of_image in zip(student.detach().numpy(), teacher.detach().numpy(), boxes, strict=True):
        foreground, background = masks_by_the_book(of_image, *own.shape[1:], image_size)
        (own_s, own_a), (s, a) = attention_by_the_book(own), attention_by_the_book(other)
        weighted = s * a[:, None, None] * (own - other) ** 2
        parts[0] += (foreground * weighted).sum()
        parts[1] += (background * weighted).sum()
        parts[2] += np.abs(own_a - a).sum() + np.abs(own_s - s).sum()
        blocks = (blocks[0] for blocks in loss.contexts)
        related = [context_by_the_book(image, block) for image, block in zip((own, other), blocks, strict=True)]
        parts[3] += ((related[0] - related[1]) ** 2).sum()
    return parts / len(student)


def test_the_attention_of_the_reference_maps_equals_the_reference():
    n, c, h, w = np.ogrid[:2, :3, :4, :4]
    student = torch.from_numpy(np.sin(0.5 * n + 0.3 * c + 0.7 * h - 0.2 * w + 0.1))
    teacher = torch.from_numpy(np.cos(0.2 * n - 0.6 * c + 0.4 * h + 0.5 * w))
    for level, positions, channels in (
        (student, [0.49579082, 0.39116390, 0.34534183, 0.39116390], [0.94162292, 0.99710757, 1.06126951]),
        (teacher, [1.12177172, 1.51396649, 1.32852194, 0.7826285], [0.77344101, 0.98639980, 1.24015919]),
    ):
        by_position, by_channel = _attention(level)
        assert by_position[0, :4].tolist() == pytest.approx(positions, rel=1e-6)
        assert by_channel[0].tolist() == pytest.approx(channels, rel=1e-6)


@pytest.mark.parametrize('part', range(4))
def test_each_part_is_that_of_the_publication(part):
    student, teacher = maps(2, 6, 8, 12), maps(2, 6, 8, 12, seed=1)
    loss = adapted((student,), (teacher,), trained=True, **only(WEIGHTS[part], 2.0))
    expected = 2 * by_the_book(loss, student, teacher, BOXES, IMAGE)[part]
    assert expected > 0
    found = loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_the_parts_are_added_with_their_weights():
    student, teacher = maps(2, 6, 8, 12), maps(2, 6, 8, 12, seed=1)
    loss = adapted((student,), (teacher,), trained=True)
    expected = np.dot([5e-5, 2.5e-5, 5e-5, 5e-7], by_the_book(loss, student, teacher, BOXES, IMAGE))
    found = loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_the_levels_are_added():
    students, teachers = ((maps(2, 6, 8, 12, seed=s), maps(2, 4, 4, 6, seed=s)) for s in (0, 1))
    found = adapted(students, teachers)(students, teachers, boxes=BOXES, image_size=IMAGE)
    alone = [compare(*level).item() for level in zip(students, teachers, strict=True)]
    assert found.item() == pytest.approx(sum(alone), rel=1e-9)


def test_a_level_of_256_channels_learns_132866_parameters():
    level = (torch.zeros(1, 256, 2, 2),)
    assert sum(p.numel() for p in adapted(level, level).parameters()) == 132_866


def test_the_context_blocks_begin_as_the_identity():
    student, teacher = maps(2, 6, 8, 12), maps(2, 6, 8, 12, seed=1)
    found = compare(student, teacher, **only('relation_weight', 1.0))
    assert found.item() == pytest.approx(mse_loss(student, teacher, reduction='sum').item() / 2, rel=1e-9)


def test_equal_maps_begin_with_no_loss():
    student = maps(2, 6, 8, 12)
    assert compare(student, student).item() == 0


def where_the_parts_look(boxes, image_size, size):
    """M_fg and M_bg (H, W) as the loss uses them: the gradients of its first two parts at a difference of 1."""
    teacher = torch.zeros(1, 1, *size, dtype=torch.float64)
    student = teacher.clone().requires_grad_()
    gradients = []
    for part in WEIGHTS[:2]:
        loss = compare(student + 1, teacher, [boxes], image_size, **only(part, 0.5))
        gradients.append(torch.autograd.grad(loss, student)[0][0, 0])
    return gradients


def test_a_box_covers_the_cells_from_its_floor_to_its_ceiling_with_the_last():
    foreground, background = where_the_parts_look(torch.tensor([[17.0, 8.0, 31.0, 24.0]]), (64, 64), (8, 8))
    # Columns 2 to 4 and rows 1 to 3: row 3 begins at y=24, the lower edge, and is included.
    expected = torch.zeros(8, 8, dtype=torch.float64)
    expected[1:4, 2:5] = 1 / 9
    torch.testing.assert_close(foreground, expected)
    torch.testing.assert_close(background, (expected == 0) / 55.0, check_dtype=False)


def test_the_smaller_of_two_boxes_counts_where_they_overlap_in_any_order():
    boxes = torch.tensor([[0.0, 0.0, 48.0, 48.0], [16.0, 16.0, 24.0, 24.0]])
    foreground, _ = where_the_parts_look(boxes, (64, 64), (8, 8))
    assert foreground[2, 2].item() == pytest.approx(1 / 4)
    assert foreground[0, 0].item() == pytest.approx(1 / 49)
    assert torch.equal(foreground, where_the_parts_look(boxes.flip(0), (64, 64), (8, 8))[0])


def test_boxes_are_scaled_by_the_input_with_its_padding():
    box = torch.tensor([[0.0, 0.0, 30.0, 30.0]])
    small, _ = where_the_parts_look(box, (64, 128), (8, 16))
    assert small.count_nonzero() == 25
    assert where_the_parts_look(box, (64, 64), (8, 16))[0].count_nonzero() == 45


def test_a_map_cut_to_that_of_the_teacher_keeps_its_scale():
    boxes, size = [torch.tensor([[16.0, 16.0, 24.0, 24.0]])], (64, 64)
    student, teacher = maps(1, 2, 8, 8), maps(1, 2, 8, 7, seed=1)
    cut = student[:, :, :, :7]
    whole = compare(student, teacher, boxes, size, **only('foreground_weight'))
    assert whole.item() == pytest.approx(
        compare(cut, teacher, boxes, (64, 56), **only('foreground_weight')).item(), rel=1e-9
    )


def test_an_image_without_boxes_is_all_background():
    foreground, background = where_the_parts_look(torch.zeros(0, 4), (64, 64), (8, 8))
    assert foreground.count_nonzero() == 0
    torch.testing.assert_close(background, torch.full_like(background, 1 / 64))


def test_the_background_counts_the_same_however_few_its_cells():
    _, background = where_the_parts_look(torch.tensor([[0.0, 0.0, 64.0, 48.0]]), (64, 64), (8, 8))
    torch.testing.assert_close(background[7], torch.full((8,), 1 / 8, dtype=torch.float64))
    assert background[:7].count_nonzero() == 0


def test_an_image_that_a_box_fills_has_no_background():
    _, background = where_the_parts_look(torch.tensor([[0.0, 0.0, 64.0, 64.0]]), (64, 64), (8, 8))
    assert background.count_nonzero() == 0


def test_the_order_of_the_images_does_not_matter():
    student, teacher = maps(2, 6, 8, 12), maps(2, 6, 8, 12, seed=1)
    flipped = compare(student.flip(0), teacher.flip(0), BOXES[::-1], trained=True)
    assert flipped.item() == pytest.approx(compare(student, teacher, trained=True).item(), rel=1e-9)


def test_the_gradient_is_that_of_finite_differences_and_reaches_student_and_blocks_alone():
    student, teacher = maps(2, 8, 2, 3).requires_grad_(), maps(2, 8, 2, 3, seed=1).requires_grad_()
    loss = adapted((student,), (teacher,), trained=True, **dict.fromkeys(WEIGHTS, 1.0))

    def value(student):
        return loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE)

    assert torch.autograd.gradcheck(value, student)
    value(student).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    # The bias gets no gradient: a constant added at all positions does not change a softmax over them.
    learns = {name: p.grad.abs().sum() > 1e-9 for name, p in loss.named_parameters()}
    assert all(learns[name] != name.endswith('attend.bias') for name in learns)


@pytest.mark.parametrize('shape', [(1, 3, 4, 6), (1, 3, 1, 1), (1, 1, 2, 2), (0, 3, 4, 6)])
@pytest.mark.parametrize('box', [BOXES[0], BOXES[1]])
def test_one_image_one_position_and_no_image_give_finite_values_and_gradients(shape, box):
    student, teacher = maps(*shape).requires_grad_(), maps(*shape, seed=1)
    found = compare(student, teacher, [box] * shape[0])
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(student.grad).all()
    assert len(student) or found == 0


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_half_precision_is_compared_in_float32(half):
    student, teacher = (20 * maps(2, 4, 40, 60, seed=i).to(half) for i in (0, 1))
    loss = adapted((student.float(),), (teacher.float(),), trained=True, **dict.fromkeys(WEIGHTS, 1.0))
    with torch.autocast('cpu', dtype=half):
        found = loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE)
    assert found.dtype == torch.float32
    assert found > torch.finfo(torch.float16).max
    assert torch.equal(found, loss((student.float(),), (teacher.float(),), boxes=BOXES, image_size=IMAGE))


@pytest.mark.parametrize('weight', [*WEIGHTS, 'loss_weight'])
def test_each_weight_changes_the_loss_and_is_refused_below_zero(weight):
    student, teacher = maps(2, 6, 8, 12), maps(2, 6, 8, 12, seed=1)
    more = getattr(FGDLoss(), weight) * 2
    assert compare(student, teacher, **{weight: more}) > compare(student, teacher)
    assert f'{weight}={more:g}' in repr(FGDLoss(**{weight: more}))
    with pytest.raises(ValueError, match=f'{weight} must be a finite number, 0 or above'):
        FGDLoss(**{weight: -1})


def test_the_loss_weight_scales_all_parts():
    student, teacher = maps(2, 6, 8, 12), maps(2, 6, 8, 12, seed=1)
    assert compare(student, teacher, loss_weight=3).item() == pytest.approx(3 * compare(student, teacher).item())


def test_boxes_of_another_number_of_images_are_refused():
    with pytest.raises(ValueError, match='FGDLoss needs the boxes of all 2 images; got those of 1'):
        compare(maps(2, 6, 8, 12), maps(2, 6, 8, 12), BOXES[:1])


def test_another_width_is_aligned():
    student, teacher = maps(2, 5, 8, 12).requires_grad_(), maps(2, 6, 8, 12, seed=1)
    loss = adapted((student,), (teacher,))
    assert loss.adaptors[0].weight.shape == (6, 5, 1, 1)
    loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE).backward()
    assert student.grad.abs().sum() > 0


def test_what_is_learned_is_saved_and_restored():
    student, teacher = maps(2, 5, 8, 12), maps(2, 6, 8, 12, seed=1)
    first, second = (adapted((student,), (teacher,), seed=seed, trained=True) for seed in (0, 1))
    values = [loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE) for loss in (first, second)]
    assert values[0] != values[1]
    second.load_state_dict(first.state_dict())
    assert second((student,), (teacher,), boxes=BOXES, image_size=IMAGE) == values[0]


def test_the_loss_falls_as_student_and_blocks_follow_it():
    student, teacher = maps(2, 6, 8, 12).requires_grad_(), maps(2, 6, 8, 12, seed=1)
    loss = adapted((student,), (teacher,), loss_weight=1e3)
    optimizer = torch.optim.SGD([student, *loss.parameters()], lr=3)
    values = []
    for _ in range(50):
        optimizer.zero_grad()
        values.append(loss((student,), (teacher,), boxes=BOXES, image_size=IMAGE))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < values[0] / 2
