from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from luminet_det.losses.fcfd_det import FCFDDetLoss

CHANNELS, TEACHER_CHANNELS, CLASSES = 3, 4, 2
PAGE = Path(__file__).parents[2] / 'docs' / 'methods_detection_features.md'


class Boxes(NamedTuple):
    cls_score: Tensor
    bbox_pred: Tensor


class Head(nn.Module):
    """A box head whose RoIs are single cells of the first level, each multiplied by one matrix."""

    def __init__(self, channels, rois, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        shape = (CLASSES + 1 + 4 * CLASSES, channels)
        self.weight = nn.Parameter(torch.randn(*shape, generator=generator, dtype=torch.float64))
        self.rois = rois

    def forward(self, maps):
        images, ys, xs = torch.tensor(self.rois, dtype=torch.int64).view(-1, 3).T
        cells = maps[0][images, :, ys, xs]
        return Boxes(*(cells @ self.weight.to(cells.dtype).T).split([CLASSES + 1, 4 * CLASSES], dim=1))


class Detectors:
    """A student and a teacher: maps of two levels of each, and their heads on the same RoIs."""

    def __init__(self, rois=((0, 1, 2), (1, 3, 0), (1, 0, 0)), images=2, seed=0):
        generator = torch.Generator().manual_seed(seed)

        def levels(channels):
            shapes = ((images, channels, 4, 4), (images, channels, 2, 2))
            return tuple(torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes)

        self.maps = tuple(level.requires_grad_() for level in levels(CHANNELS))
        self.teacher_maps = levels(TEACHER_CHANNELS)
        self.student = Head(CHANNELS, rois, seed=1)
        self.teacher = Head(TEACHER_CHANNELS, rois, seed=2).requires_grad_(False)

    def heads(self):
        return SimpleNamespace(
            own=self.student(self.maps),
            target=self.teacher(self.teacher_maps),
            student=self.student,
            teacher=self.teacher,
        )

    def adapted(self, seed=0, **settings):
        torch.manual_seed(seed)
        loss = FCFDDetLoss(**settings)
        loss.adapt(self.maps, self.teacher_maps)
        return loss.double()

    def __call__(self, loss, calls=1):
        return loss(self.maps, self.teacher_maps, heads=[self.heads() for _ in range(calls)])

    def singles(self):
        self.maps, self.teacher_maps = (
            tuple(level.detach().float().requires_grad_(grad) for level in levels)
            for levels, grad in ((self.maps, True), (self.teacher_maps, False))
        )
        self.student.float()
        self.teacher.float()
        return self


@pytest.fixture
def detectors():
    return Detectors()


def numpy_loss(loss, detectors):
    """The published objective, written independently in numpy."""

    def bridged(layers, maps):
        weight = layers[0].weight.detach().numpy()
        height, width = maps.shape[2:]
        padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros((len(maps), len(weight), height, width))
        for y in range(height):
            for x in range(width):
                window = padded[:, :, y : y + 3, x : x + 3]
                out[:, :, y, x] = np.tensordot(window, weight, axes=([1, 2, 3], [1, 2, 3]))
        mean, variance = out.mean((0, 2, 3), keepdims=True), out.var((0, 2, 3), keepdims=True)
        return (out - mean) / np.sqrt(variance + 1e-5)

    def said(head, level):
        cells = np.stack([level[image, :, y, x] for image, y, x in head.rois])
        both = cells @ head.weight.detach().numpy().T
        return both[:, : CLASSES + 1], both[:, CLASSES + 1 :]

    student = [level.detach().numpy() for level in detectors.maps]
    teacher = [level.numpy() for level in detectors.teacher_maps]
    st = [bridged(layers, level) for layers, level in zip(loss.to_teacher, student, strict=True)]
    ts = bridged(loss.to_student[0], teacher[0])
    target_cls, target_box = said(detectors.teacher, teacher[0])
    p = np.exp(target_cls / loss.tau)
    p /= p.sum(1, keepdims=True)
    cls = box = 0
    for logits, deltas in (
        said(detectors.student, student[0]),
        said(detectors.teacher, st[0]),
        said(detectors.student, ts),
    ):
        q = np.exp(logits / loss.tau)
        q /= q.sum(1, keepdims=True)
        cls += loss.tau**2 * (p * np.log(p / q)).sum(1).mean()
        box += ((deltas - target_box) ** 2).mean()
    maps = sum(((u - t) ** 2).mean() for u, t in zip(st, teacher, strict=True))
    return loss.loss_weight * (loss.cls_weight * cls + loss.box_weight * box + loss.feature_weight * maps)


SETTINGS = [{}, dict(tau=3.0, cls_weight=0.5, box_weight=2.0, feature_weight=0.3, loss_weight=1.5)]


@pytest.mark.parametrize('settings', SETTINGS, ids=['published', 'others'])
def test_it_is_the_published_objective(detectors, settings):
    loss = detectors.adapted(**settings)
    expected = numpy_loss(loss, detectors)
    assert detectors(loss).item() == pytest.approx(expected, rel=1e-9)
    assert detectors.singles()(loss.float()).item() == pytest.approx(expected, rel=1e-4)


def test_several_calls_of_the_head_count_as_their_mean(detectors):
    loss = detectors.adapted()
    assert detectors(loss, calls=3).item() == pytest.approx(detectors(loss).item(), rel=1e-12)


def test_heads_that_agree_on_maps_that_agree_cost_nothing(detectors):
    loss = detectors.adapted()
    target = detectors.heads().target
    heads = SimpleNamespace(own=target, target=target, student=lambda _: target, teacher=lambda _: target)
    with torch.no_grad():
        bridged = tuple(layers(level) for layers, level in zip(loss.to_teacher, detectors.maps, strict=True))
    assert abs(loss(detectors.maps, bridged, heads=[heads]).item()) < 1e-12


def test_the_gradient_is_that_of_finite_differences(detectors):
    loss = detectors.adapted()
    assert torch.autograd.gradcheck(lambda *_: detectors(loss), (*detectors.maps, detectors.student.weight))


def test_it_reaches_the_student_and_every_bridge_and_not_the_teacher(detectors):
    detectors.teacher_maps = tuple(level.requires_grad_() for level in detectors.teacher_maps)
    loss = detectors.adapted()
    detectors(loss).backward()
    assert all(level.grad is None for level in detectors.teacher_maps)
    assert detectors.teacher.weight.grad is None
    assert all(level.grad.abs().sum() > 0 for level in detectors.maps)
    assert detectors.student.weight.grad.abs().sum() > 0
    assert all(p.grad is not None for p in loss.parameters())
    # The heads look only at the first level.
    looked_at, other = (layers[0].weight.grad.abs().sum() for layers in loss.to_student)
    assert looked_at > 0
    assert other == 0


def test_the_teachers_head_hands_its_gradient_on_to_the_students_maps(detectors):
    loss = detectors.adapted(feature_weight=0.0)
    detectors.student.requires_grad_(False)
    heads = detectors.heads()
    heads.own = heads.target
    loss(detectors.maps, detectors.teacher_maps, heads=[heads]).backward()
    assert detectors.maps[0].grad.abs().sum() > 0


@pytest.mark.parametrize('setting', ['tau', 'cls_weight', 'box_weight', 'feature_weight', 'loss_weight'])
def test_every_setting_changes_the_value(detectors, setting):
    plain, other = detectors(detectors.adapted()).item(), detectors(detectors.adapted(**{setting: 2.0})).item()
    assert other != pytest.approx(plain, rel=1e-2)
    assert f'{setting}=2' in repr(FCFDDetLoss(**{setting: 2.0}))


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_bridges_follow_autocast_and_the_value_is_in_float32(detectors, half):
    detectors.singles()
    loss = detectors.adapted().float()
    kinds = []
    loss.to_teacher[0][0].register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    plain = detectors(loss).item()
    with torch.autocast('cpu', dtype=half):
        value = detectors(loss)
    value.backward()
    assert kinds == [torch.float32, half]
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(plain, rel=0.05)
    assert all(p.grad.isfinite().all() for p in (*loss.parameters(), *detectors.maps))


@pytest.mark.parametrize(('rois', 'images'), [((), 2), ((), 1), (((0, 1, 1),), 1)])
def test_one_image_and_no_roi_give_finite_losses_and_gradients(rois, images):
    detectors = Detectors(rois, images)
    loss = detectors.adapted()
    value = detectors(loss)
    value.backward()
    assert value.isfinite()
    assert all(level.grad.isfinite().all() for level in detectors.maps)
    assert all(p.grad.isfinite().all() for p in loss.parameters())


def test_it_can_be_learned(detectors):
    loss = detectors.adapted()
    optimizer = torch.optim.SGD([*loss.parameters(), *detectors.maps, detectors.student.weight], lr=0.05)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        values.append(detectors(loss))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.7 * values[0]


def test_its_state_makes_another_one_equal(detectors):
    loss, other = detectors.adapted(seed=0), detectors.adapted(seed=1)
    assert detectors(loss).item() != pytest.approx(detectors(other).item(), rel=1e-3)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(detectors(loss), detectors(other))


def test_its_bridges_have_as_many_parameters_as_the_docstring_and_the_page_say():
    with torch.device('meta'):
        maps = [torch.zeros(1, 256, s, s) for s in (32, 16, 8, 4, 2)]
        loss = FCFDDetLoss()
        loss.adapt(maps, maps)
    assert sum(p.numel() for p in loss.parameters()) == 5_903_360
    assert '5,903,360 parameters' in FCFDDetLoss.__doc__
    assert '| 5,903,360 for five levels |' in PAGE.read_text()


def test_without_bridges_it_says_what_to_call(detectors):
    with pytest.raises(RuntimeError, match=r'call adapt\(student, teacher\)'):
        detectors(FCFDDetLoss())


def test_levels_that_do_not_pair_are_refused(detectors):
    with pytest.raises(ValueError, match='as many feature maps.*got 2 and 1'):
        FCFDDetLoss().adapt(detectors.maps, detectors.teacher_maps[:1])
    with pytest.raises(ValueError, match=r"levels of one stride; got sizes .*Use the tap 'neck'"):
        FCFDDetLoss().adapt(detectors.maps, detectors.teacher_maps[::-1])
    with pytest.raises(ValueError, match='adapted to 2 levels; got 1'):
        detectors.adapted()(detectors.maps[:1], detectors.teacher_maps[:1], heads=[detectors.heads()])


@pytest.mark.parametrize('setting', ['tau', 'cls_weight', 'box_weight', 'feature_weight', 'loss_weight'])
def test_impossible_settings_are_refused_by_name(setting):
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}=-1'):
        FCFDDetLoss(**{setting: -1})
