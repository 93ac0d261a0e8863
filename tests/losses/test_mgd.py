import numpy as np
import pytest
import torch

from luminet_det.losses.mgd import MGDLoss


def maps(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def adapted(student, teacher, seed=0, **settings):
    torch.manual_seed(seed)
    loss = MGDLoss(**settings)
    loss.adapt(student, teacher)
    return loss.to(student[0].dtype)


def seeded(loss, student, teacher, seed=0):
    torch.manual_seed(seed)
    return loss(student, teacher)


def masks(loss, student, teacher):
    """The mask that one call draws for the first level: 1 where a value is kept, 0 where it is erased."""
    seen = []
    hook = loss.adaptors[0][2].register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    loss(student, teacher)
    hook.remove()
    return seen[0] / student[0]


def convolved(maps, layer):
    """A 3x3 convolution with zero padding, in numpy."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    padded = np.pad(maps, [(0, 0), (0, 0), (1, 1), (1, 1)])
    height, width = maps.shape[2:]
    taps = [
        np.einsum('oc,nchw->nohw', weight[:, :, y, x], padded[:, :, y : y + height, x : x + width])
        for y in range(3)
        for x in range(3)
    ]
    return sum(taps) + bias[:, None, None]


def test_the_loss_is_the_squared_error_of_what_is_generated_from_the_kept_part():
    student, teacher = maps(2, 3, 4, 5), maps(2, 3, 4, 5, seed=1)
    loss = adapted((student,), (teacher,), loss_weight=1)
    seen = []
    loss.adaptors[0][2].register_forward_pre_hook(lambda _, args: seen.append(args[0].numpy()))
    found = loss((student,), (teacher,))
    first, _, second = loss.adaptors[0][2:]
    generated = convolved(np.maximum(convolved(seen[0], first), 0), second)
    assert found.item() == pytest.approx(((generated - teacher.numpy()) ** 2).sum() / 2, rel=1e-9)


def test_a_level_of_256_channels_learns_1180160_parameters():
    level = (torch.zeros(1, 256, 2, 2),)
    assert sum(p.numel() for p in adapted(level, level).parameters()) == 1_180_160


def test_another_width_is_aligned_before_it_is_erased():
    student, teacher = (maps(2, 3, 4, 4),), (maps(2, 5, 4, 4, seed=1),)
    loss = adapted(student, teacher)
    assert loss.adaptors[0][0].weight.shape == (5, 3, 1, 1)
    assert loss.adaptors[0][2].weight.shape == (5, 5, 3, 3)
    assert torch.isfinite(loss(student, teacher))


def test_what_is_generated_is_compared_on_the_positions_of_both_from_the_top_left():
    student, teacher = maps(2, 3, 6, 9), maps(2, 3, 8, 8, seed=1)
    loss = adapted((student,), (teacher,), masked=0)
    generated = loss.adaptors[0](student)[:, :, :, :8]
    expected = 5e-7 / 2 * (generated - teacher[:, :, :6]).square().sum()
    assert loss((student,), (teacher,)).item() == pytest.approx(expected.item(), rel=1e-9)


def test_the_levels_are_added():
    students, teachers = ((maps(2, 3, 4, 4, seed=s), maps(2, 2, 2, 3, seed=s)) for s in (0, 1))
    loss = adapted(students, teachers, masked=0)
    alone = []
    for i in range(2):
        one = adapted(students[i : i + 1], teachers[i : i + 1], masked=0)
        one.adaptors[0].load_state_dict(loss.adaptors[i].state_dict())
        alone.append(one(students[i : i + 1], teachers[i : i + 1]).item())
    assert loss(students, teachers).item() == pytest.approx(sum(alone), rel=1e-9)


@pytest.mark.parametrize('masked', [0.15, 0.45])
def test_whole_positions_are_erased_with_the_given_probability(masked):
    student = (maps(4, 3, 50, 50),)
    kept = masks(adapted(student, student, masked=masked), student, student)
    assert torch.equal(kept, kept[:, :1].expand_as(kept))
    assert set(kept.unique().tolist()) == {0, 1}
    assert kept.mean().item() == pytest.approx(1 - masked, abs=0.02)


def test_whole_channels_are_erased_with_the_given_probability():
    student = (maps(50, 100, 2, 2),)
    kept = masks(adapted(student, student, mask='channels', masked=0.15), student, student)
    assert torch.equal(kept, kept[:, :, :1, :1].expand_as(kept))
    assert kept.mean().item() == pytest.approx(0.85, abs=0.02)


def test_nothing_is_erased_with_probability_0():
    student = (maps(2, 3, 5, 5),)
    assert (masks(adapted(student, student, masked=0), student, student) == 1).all()


def test_the_mask_is_drawn_anew_each_step_and_repeats_with_the_seed():
    student, teacher = (maps(2, 3, 8, 8),), (maps(2, 3, 8, 8, seed=1),)
    loss = adapted(student, teacher)
    assert seeded(loss, student, teacher) == seeded(loss, student, teacher)
    assert seeded(loss, student, teacher) != seeded(loss, student, teacher, seed=1)
    assert loss(student, teacher) != loss(student, teacher)


def test_a_generator_that_has_learned_the_identity_makes_equal_maps_cost_nothing():
    level = (maps(2, 3, 4, 4).abs(),)
    loss = adapted(level, level, masked=0)
    for layer in (loss.adaptors[0][2], loss.adaptors[0][4]):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    assert loss(level, level) == 0


def test_the_gradient_is_that_of_finite_differences_and_reaches_student_and_generators_alone():
    student, teacher = maps(2, 2, 3, 3).requires_grad_(), maps(2, 2, 3, 3, seed=1).requires_grad_()
    loss = adapted((student,), (teacher,), loss_weight=1)
    assert torch.autograd.gradcheck(lambda s: seeded(loss, (s,), (teacher,)), student)
    seeded(loss, (student,), (teacher,)).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in loss.parameters())


@pytest.mark.parametrize('shape', [(1, 3, 4, 4), (1, 3, 1, 1), (0, 3, 4, 4)])
@pytest.mark.parametrize('mask', ['positions', 'channels'])
def test_one_image_one_position_and_no_image_give_finite_values_and_gradients(shape, mask):
    student, teacher = maps(*shape).requires_grad_(), maps(*shape, seed=1)
    found = adapted((student,), (teacher,), mask=mask)((student,), (teacher,))
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(student.grad).all()
    assert len(student) or found == 0


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_under_autocast_the_generators_are_half_and_the_sum_is_float32(half):
    student, teacher = (maps(2, 4, 8, 8, dtype=torch.float32),), (400 * maps(2, 4, 8, 8, seed=1, dtype=half),)
    loss = adapted(student, teacher, loss_weight=1)
    with torch.autocast('cpu', dtype=half):
        assert loss.adaptors[0](student[0]).dtype == half
        found = seeded(loss, student, teacher)
    assert found.dtype == torch.float32
    assert found > torch.finfo(torch.float16).max
    assert found.item() == pytest.approx(seeded(loss, student, (teacher[0].float(),)).item(), rel=1e-2)


def test_the_weight_scales_the_loss():
    student, teacher = (maps(2, 3, 4, 4),), (maps(2, 3, 4, 4, seed=1),)
    one, three = (seeded(adapted(student, teacher, loss_weight=w), student, teacher) for w in (1, 3))
    assert three.item() == pytest.approx(3 * one.item())


def test_settings_are_shown_and_checked():
    assert 'mask=channels, masked=0.15, loss_weight=7e-05' in repr(MGDLoss('channels', 0.15, 7e-5))
    with pytest.raises(ValueError, match="mask must be 'positions' or 'channels', got mask='rows'"):
        MGDLoss(mask='rows')
    with pytest.raises(ValueError, match='masked must be below 1, .*got masked=1'):
        MGDLoss(masked=1)
    with pytest.raises(ValueError, match='masked must be a finite number, 0 or above, got masked=-0.1'):
        MGDLoss(masked=-0.1)
    with pytest.raises(ValueError, match='loss_weight must be'):
        MGDLoss(loss_weight=-1)


def test_what_is_learned_is_saved_and_restored():
    student, teacher = (maps(2, 3, 4, 4),), (maps(2, 5, 4, 4, seed=1),)
    first, second = adapted(student, teacher), adapted(student, teacher, seed=1)
    assert seeded(first, student, teacher) != seeded(second, student, teacher)
    second.load_state_dict(first.state_dict())
    assert seeded(first, student, teacher) == seeded(second, student, teacher)


def test_the_loss_falls_as_student_and_generators_follow_it():
    student, teacher = maps(2, 3, 6, 6).requires_grad_(), maps(2, 3, 6, 6, seed=1)
    loss = adapted((student,), (teacher,), loss_weight=1)
    optimizer = torch.optim.SGD([student, *loss.parameters()], lr=1e-2)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        values.append(loss((student,), (teacher,)))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.7 * values[0]
