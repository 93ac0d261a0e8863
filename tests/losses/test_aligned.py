import pytest
import torch
from torch import nn

from luminet_det.losses.cwd import CWDLoss
from luminet_det.losses.fgd import FGDLoss
from luminet_det.losses.fitnet import FitNetLoss
from luminet_det.losses.mgd import MGDLoss


def maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def adapted(student, teacher, seed=0):
    torch.manual_seed(seed)
    loss = CWDLoss()
    loss.adapt(student, teacher)
    return loss


def test_levels_of_equal_width_are_compared_as_they_are_and_learn_nothing():
    student, teacher = (maps(2, 4, 6, 6),), (maps(2, 4, 6, 6, seed=1),)
    loss = adapted(student, teacher)
    assert not list(loss.parameters())
    assert not loss.state_dict()
    assert loss.adaptors[0](student[0]) is student[0]


def test_a_level_of_another_width_gets_a_1x1_convolution_of_its_own():
    student, teacher = (maps(2, 4, 6, 6), maps(2, 5, 3, 3)), (maps(2, 4, 6, 6), maps(2, 7, 3, 3))
    loss = adapted(student, teacher)
    assert [type(layer) for layer in loss.adaptors] == [nn.Identity, nn.Conv2d]
    assert sum(p.numel() for p in loss.parameters()) == 5 * 7 + 7
    expected = torch.einsum('oc,nchw->nohw', loss.adaptors[1].weight[:, :, 0, 0], student[1])
    expected = expected + loss.adaptors[1].bias.view(1, 7, 1, 1)
    torch.testing.assert_close(loss.adaptors[1](student[1]), expected)


def test_the_convolution_learns():
    student, teacher = (maps(2, 3, 4, 4),), (maps(2, 5, 4, 4, seed=1),)
    loss = adapted(student, teacher)
    loss(student, teacher).backward()
    assert loss.adaptors[0].weight.grad.abs().sum() > 0


def test_maps_are_compared_on_the_positions_of_both_from_the_top_left():
    student, teacher = maps(2, 4, 6, 9), maps(2, 4, 8, 8, seed=1)
    loss = adapted((student,), (teacher,))
    assert loss((student,), (teacher,)) == loss((student[:, :, :, :8],), (teacher[:, :, :6],))


def test_a_map_of_one_cell_may_be_padded_to_two():
    loss = adapted((maps(1, 4, 1, 1),), (maps(1, 4, 2, 2),))
    assert loss((maps(1, 4, 1, 1),), (maps(1, 4, 2, 2),)) == 0


@pytest.mark.parametrize('loss', [CWDLoss(), MGDLoss(), FGDLoss()])
def test_levels_of_another_stride_are_refused_with_the_setting_to_change(loss):
    student, teacher = (maps(1, 4, 16, 16), maps(1, 4, 8, 8)), (maps(1, 4, 16, 16), maps(1, 4, 4, 4))
    message = r"\(4, 8, 8\)\] to the teacher's .*\(4, 4, 4\)\].*teacher's stride.*stages=\[...\].*levels=\[...\]"
    with pytest.raises(ValueError, match=message):
        loss.adapt(student, teacher)


@pytest.mark.parametrize('loss', [CWDLoss(), MGDLoss(), FGDLoss(), FitNetLoss()])
def test_maps_whose_strides_have_parted_since_are_refused_with_the_setting_to_change(loss):
    needs = dict(boxes=[torch.zeros(0, 4)], image_size=(8, 8)) if isinstance(loss, FGDLoss) else {}
    loss.adapt((maps(1, 4, 4, 4),), (maps(1, 4, 4, 4),))
    with pytest.raises(ValueError, match=r'\(4, 4\) and \(8, 8\).*the same stride.*model\.image_size.*stages=\[...\]'):
        loss((maps(1, 4, 4, 4),), (maps(1, 4, 8, 8),), **needs)


def test_lists_of_different_length_are_refused_with_the_setting_to_change():
    with pytest.raises(ValueError, match=r'got 2 and 1.*stages=\[...\].*levels=\[...\]'):
        CWDLoss().adapt((maps(1, 4, 8, 8), maps(1, 4, 4, 4)), (maps(1, 4, 8, 8),))


@pytest.mark.parametrize('loss', [CWDLoss(), MGDLoss(), FGDLoss()])
def test_an_unadapted_loss_says_what_to_call(loss):
    needs = dict(boxes=[torch.zeros(0, 4)], image_size=(8, 8)) if isinstance(loss, FGDLoss) else {}
    with pytest.raises(RuntimeError, match=rf'{type(loss).__name__} has no adaptors yet: call adapt\('):
        loss((maps(1, 4, 8, 8),), (maps(1, 4, 8, 8),), **needs)


def test_other_than_maps_of_the_same_images_are_refused():
    with pytest.raises(ValueError, match=r'CWDLoss compares feature maps.*same N images; got student \(1, 4, 5, 5\)'):
        CWDLoss().adapt((maps(1, 4, 5, 5),), (maps(2, 4, 5, 5),))
    with pytest.raises(ValueError, match=r'CWDLoss compares feature maps.*got student \(2, 4\)'):
        CWDLoss().adapt((maps(2, 4),), (maps(2, 4),))


def test_what_is_learned_is_saved_and_restored():
    student, teacher = (maps(2, 3, 4, 4),), (maps(2, 5, 4, 4, seed=1),)
    first, second = adapted(student, teacher), adapted(student, teacher, seed=1)
    assert first(student, teacher) != second(student, teacher)
    second.load_state_dict(first.state_dict())
    assert first(student, teacher) == second(student, teacher)


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_the_convolutions_follow_autocast(half):
    student, teacher = (maps(2, 3, 4, 4),), (maps(2, 5, 4, 4, seed=1),)
    loss = adapted(student, teacher)
    with torch.autocast('cpu', dtype=half):
        assert loss.adaptors[0](student[0]).dtype == half
        assert loss(student, teacher).dtype == torch.float32
