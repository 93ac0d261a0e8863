"""The box heads of student and teacher, run on the RoIs of a step and on any maps."""

import copy
from contextlib import contextmanager

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from luminet_det.detection.feature_taps import recorded_maps, strides
from luminet_det.detection.heads import box_heads
from luminet_det.detection.roi_taps import recorded
from luminet_det.detection.seams import shadowed
from luminet_det.losses.fcfd_det import FCFDDetLoss
from tests import pairs, tiny

STRIDES = [4, 8, 16, 32, 64]


class Step:
    """A step of a distilling detector, with the maps and `heads` that a loss on its neck gets."""

    def __init__(self, detector, seed=0):
        kept = []

        @contextmanager
        def recorded_head():
            with recorded(detector.roi_head) as calls:
                yield calls
                kept.extend(calls)

        with shadowed(detector, recorded_head=recorded_head), recorded_maps(detector, {'neck'}) as maps:
            pairs.step(detector, seed)
        self.detector, self.calls, self.maps = detector, kept, maps['neck']
        self.link = detector.links[0]
        inputs, _ = pairs.batch(detector, seed)
        with torch.no_grad():
            self.teacher_maps = self.link.teacher.model.extract_feat(self.link.pixels(inputs, [inputs.shape[2:]] * 2))
        assert strides(detector, 'neck', self.maps, inputs) == STRIDES

    def heads(self, level_strides=STRIDES):
        return box_heads(self.link, self.calls, self.teacher_maps, level_strides)


def distilling(tmp_path, student, teacher=None, classes=None):
    setting = pairs.save_teacher(tmp_path / 'teacher.pth', teacher or student, classes=classes)
    return pairs.build(pairs.distilling(student, setting))


@pytest.fixture
def step(tmp_path):
    return Step(distilling(tmp_path, tiny.faster_rcnn(), tiny.faster_rcnn(neck_channels=24)))


def test_on_its_own_maps_each_head_says_what_it_said(step):
    (heads,) = step.heads()
    for said, expected in ((heads.student(step.maps), heads.own), (heads.teacher(step.teacher_maps), heads.target)):
        for tensor, other in zip(said, expected, strict=True):
            torch.testing.assert_close(tensor, other)
    assert heads.own.cls_score is step.calls[0].cls_score
    roi_head = step.link.teacher.model.roi_head
    alone = roi_head._bbox_forward(step.teacher_maps, step.calls[0].rois)
    assert torch.equal(heads.target.cls_score, alone['cls_score'])
    assert torch.equal(heads.target.bbox_pred, alone['bbox_pred'])
    assert heads.target.bbox_pred.shape == (64, 12)
    assert not heads.target.cls_score.requires_grad


def test_the_gradient_passes_through_the_frozen_head_to_the_maps(step):
    (heads,) = step.heads()
    maps = tuple(level.clone().requires_grad_() for level in step.teacher_maps)
    said = heads.teacher(maps)
    (said.cls_score.sum() + said.bbox_pred.sum()).backward()
    assert maps[0].grad.abs().sum() > 0
    assert all(p.grad is None for p in step.link.teacher.model.parameters())
    (heads.student(tuple(level.detach() for level in step.maps)).cls_score.sum()).backward()
    assert step.detector.roi_head.bbox_head.fc_cls.weight.grad is not None


def test_the_teachers_classes_come_in_the_students_order(tmp_path, monkeypatch):
    names = tiny.classes(3)
    permuted = (names[2], names[0], names[1])
    detector = distilling(tmp_path, tiny.faster_rcnn(), classes=permuted)
    monkeypatch.setattr(detector, 'student_classes', lambda: names)
    step = Step(detector)
    (heads,) = step.heads()
    alone = step.link.teacher.model.roi_head._bbox_forward(step.teacher_maps, step.calls[0].rois)
    columns = [permuted.index(name) for name in names]
    assert torch.equal(heads.target.cls_score, alone['cls_score'][:, [*columns, 3]])
    assert torch.equal(heads.target.bbox_pred.view(-1, 3, 4), alone['bbox_pred'].view(-1, 3, 4)[:, columns])


def test_the_teachers_deltas_come_in_the_students_encoding(tmp_path):
    teacher = tiny.faster_rcnn()
    teacher['roi_head']['bbox_head']['bbox_coder']['target_stds'] = [0.2, 0.2, 0.2, 0.2]
    step = Step(distilling(tmp_path, tiny.faster_rcnn(), teacher))
    (heads,) = step.heads()
    alone = step.link.teacher.model.roi_head._bbox_forward(step.teacher_maps, step.calls[0].rois)
    scale = torch.tensor([2.0, 2.0, 1.0, 1.0])
    torch.testing.assert_close(heads.target.bbox_pred.view(-1, 3, 4), alone['bbox_pred'].view(-1, 3, 4) * scale)


def test_a_cascades_stages_are_asked_one_by_one(tmp_path):
    step = Step(distilling(tmp_path, pairs.cascade_rcnn()))
    heads = step.heads()
    assert len(heads) == 3
    for stage, each in enumerate(heads):
        said = each.student(step.maps)
        torch.testing.assert_close(said.cls_score, step.calls[stage].cls_score)
        alone = step.link.teacher.model.roi_head._bbox_forward(stage, step.teacher_maps, step.calls[stage].rois)
        assert torch.equal(each.target.bbox_pred, alone['bbox_pred'])
        assert each.target.bbox_pred.shape == (64, 4)


def test_deltas_of_all_classes_and_of_none_are_not_compared(tmp_path):
    step = Step(distilling(tmp_path, tiny.faster_rcnn(), pairs.cascade_rcnn()))
    with pytest.raises(ValueError, match='student has reg_class_agnostic=False, that of the teacher .*=True'):
        step.heads()


@pytest.mark.parametrize('level_strides', [STRIDES[1:], STRIDES[:3], STRIDES[::-1]])
def test_other_levels_than_the_head_looks_at_are_refused(step, level_strides):
    with pytest.raises(ValueError, match=r"uses levels of stride 4, 8, 16, 32, .*Write levels='all'"):
        step.heads(level_strides)


@pytest.mark.parametrize('frozen', [False, True])
def test_the_norms_of_the_students_head_do_not_move_and_frozen_ones_stay_so(tmp_path, frozen):
    student = tiny.faster_rcnn()
    head = student['roi_head']['bbox_head']
    head |= dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=8, norm_cfg=dict(type='BN'))
    detector = distilling(tmp_path, student)
    norms = [m for m in detector.roi_head.modules() if isinstance(m, _BatchNorm)]
    assert norms
    for norm in norms:
        norm.train(not frozen)
    step = Step(detector)
    (heads,) = step.heads()
    before = copy.deepcopy(detector.roi_head.state_dict())
    said = heads.student(step.maps)
    assert all(torch.equal(value, before[key]) for key, value in detector.roi_head.state_dict().items())
    assert {norm.training for norm in norms} == {not frozen}
    torch.testing.assert_close(said.cls_score, heads.own.cls_score)


@pytest.mark.parametrize('model', [tiny.faster_rcnn, pairs.cascade_rcnn])
def test_fcfd_runs_on_real_heads_and_its_loss_falls(tmp_path, model):
    detector = distilling(tmp_path, model(), model(neck_channels=24))
    step = Step(detector)
    loss = FCFDDetLoss()
    loss.adapt(step.maps, step.teacher_maps)
    optimizer = torch.optim.SGD([*detector.parameters(), *loss.parameters()], lr=0.02, momentum=0.9)
    values = []
    for _ in range(8):
        step = Step(detector)
        values.append(loss(step.maps, step.teacher_maps, heads=step.heads()))
        optimizer.zero_grad()
        values[-1].backward()
        optimizer.step()
    assert all(value.isfinite() for value in values)
    assert values[-1] < 0.8 * values[0]
    assert all(p.grad is not None for p in loss.parameters())
    assert all(p.grad is None for p in step.link.teacher.model.parameters())


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_the_heads_run_in_half_precision(step, half):
    loss = FCFDDetLoss()
    loss.adapt(step.maps, step.teacher_maps)
    with torch.autocast('cpu', dtype=half):
        (heads,) = step.heads()
        value = loss(step.maps, step.teacher_maps, heads=[heads])
    value.backward()
    assert value.isfinite()
    assert value.dtype == torch.float32
