"""The taps `neck` and `backbone`: detectors of any kind teach each other, level by level."""

import copy

import pytest
import torch
from mmdet.models import FasterRCNN

from luminet_det.detection.feature_taps import paired
from luminet_det.losses import PKDLoss
from tests import dense, pairs, tiny

PKD = dict(type='luminet_det.PKDLoss')
NECK = dict(tap='neck', loss=PKD)
COMMON = dict(NECK, levels='common')


def distilling(student: dict, teacher, distill=NECK) -> dict:
    kind = 'DistillTwoStageDetector' if 'roi_head' in student else 'DistillSingleStageDetector'
    return dict(copy.deepcopy(student), type=f'luminet_det.{kind}', teacher=teacher, distill=distill)


def heard(detector, **batch):
    """Run a step; returns the (student, teacher) maps of each level that the first term's loss gets, and the losses."""
    levels = []
    handle = detector.terms[0].loss.register_forward_pre_hook(lambda _, args: levels.append(args))
    losses = pairs.step(detector, **batch)
    handle.remove()
    return levels, losses


@pytest.fixture(scope='module')
def same_width(tmp_path_factory):
    """Teachers with wider backbones than the students, and with necks as wide as theirs."""
    folder = tmp_path_factory.mktemp('teachers')
    two_stage, cascade = (make(base_channels=16) for make in (tiny.faster_rcnn, pairs.cascade_rcnn))
    return dict(
        faster=pairs.save_teacher(folder / 'faster.pth', two_stage),
        cascade=pairs.save_teacher(folder / 'cascade.pth', cascade),
        retinanet=pairs.save_teacher(folder / 'retinanet.pth', dense.model('retinanet', base_channels=16)),
        fcos=pairs.save_teacher(folder / 'fcos.pth', dense.model('fcos', base_channels=16)),
    )


@pytest.mark.parametrize(
    ('tap', 'student'), [('neck', tiny.faster_rcnn()), ('backbone', tiny.faster_rcnn(base_channels=16))]
)
def test_levels_are_those_of_both_networks_on_the_same_images(same_width, tap, student):
    detector = pairs.build(distilling(student, same_width['faster'], dict(NECK, tap=tap))).eval()
    levels, losses = heard(detector)
    inputs, _ = pairs.batch(detector)
    model = detector.teachers[0].model
    assert len(levels) == (5 if tap == 'neck' else 4)
    with torch.no_grad():
        alone = [m.extract_feat(inputs) if tap == 'neck' else m.backbone(inputs) for m in (detector, model)]
    for (ours, theirs), mine, other in zip(levels, *alone, strict=True):
        torch.testing.assert_close(ours, mine)
        torch.testing.assert_close(theirs, other)
    expected = sum(PKDLoss()(*level) for level in zip(*alone, strict=True))
    assert losses['loss_pkd'].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize('student', ['faster', 'mask', 'cascade', 'retinanet', 'fcos', 'atss', 'gfl'])
@pytest.mark.parametrize('teacher', ['faster', 'cascade', 'retinanet', 'fcos'])
def test_any_kind_of_teacher_teaches_any_kind_of_student_by_its_neck(same_width, student, teacher):
    models = dict(faster=tiny.faster_rcnn, mask=pairs.mask_rcnn, cascade=pairs.cascade_rcnn)
    model = models[student]() if student in models else dense.model(student)
    detector = pairs.build(distilling(model, same_width[teacher], COMMON))
    levels, losses = heard(detector, with_mask=student == 'mask')
    pairs.total(detector, losses).backward()
    two_stage = [('roi_head' in model), teacher in ('faster', 'cascade')]
    # The FPNs of two-stage detectors have strides 4 to 64, those of single-stage ones 8 to 128.
    assert len(levels) == (5 if two_stage[0] == two_stage[1] else 4)
    assert all(ours.shape == theirs.shape for ours, theirs in levels)
    assert losses['loss_pkd'] > 0
    assert 'agreement' not in losses
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)
    assert detector.backbone.conv1.weight.grad.abs().sum() > 0


def test_neither_head_of_the_teacher_runs_for_features_alone(same_width):
    detector = pairs.build(distilling(tiny.faster_rcnn(), same_width['faster']))
    pairs.step(detector)
    model = detector.teachers[0].model
    model.rpn_head.forward = model.roi_head.bbox_head.forward = None
    pairs.step(detector)


def test_classes_do_not_matter_for_features(tmp_path):
    other = tiny.faster_rcnn(num_classes=5, base_channels=16)
    setting = pairs.save_teacher(tmp_path / 'other.pth', other, classes=('a', 'b', 'c', 'd', 'e'))
    assert pairs.step(pairs.build(distilling(tiny.faster_rcnn(), setting)))['loss_pkd'] > 0


def test_features_and_rois_share_one_pass_of_each_network(same_width):
    terms = [NECK, dict(tap='backbone', levels='common', loss=dict(type='mmdet.MSELoss', loss_weight=0.1)), pairs.TERM]
    setting = dict(same_width['faster'], batch_size=1)
    detector = pairs.build(distilling(tiny.faster_rcnn(base_channels=16), setting, terms))
    losses = pairs.step(detector)
    passes = []
    for model in (detector, detector.teachers[0].model):
        for part in (model.backbone, model.neck, model.rpn_head):
            key = (model is detector, type(part).__name__)
            part.register_forward_pre_hook(lambda *_, key=key: passes.append(key))
    pairs.step(detector)
    student = [(True, part) for part in ('ResNet', 'FPN', 'RPNHead')]
    assert sorted(passes) == sorted(student + [(False, part) for part in ('ResNet', 'FPN')] * 2)
    assert all(losses[f'loss_{name}'] > 0 for name in ('pkd', 'mse', 'luminet'))
    assert 'agreement' in losses


def test_the_losses_of_an_ensemble_are_averaged(tmp_path, same_width):
    second = pairs.save_teacher(tmp_path / 'second.pth', tiny.faster_rcnn(), seed=9)
    alone = [
        pairs.step(pairs.build(distilling(tiny.faster_rcnn(), t)))['loss_pkd'] for t in (same_width['faster'], second)
    ]
    both = pairs.step(pairs.build(distilling(tiny.faster_rcnn(), [same_width['faster'], second])))['loss_pkd']
    assert both.item() == pytest.approx(sum(alone).item() / 2, rel=1e-5)


def test_a_stock_loss_compares_maps_too(same_width):
    term = dict(tap='neck', loss=dict(type='mmdet.MSELoss', loss_weight=0.5))
    levels, losses = heard(pairs.build(distilling(tiny.faster_rcnn(), same_width['faster'], term)))
    expected = sum(0.5 * (ours - theirs).square().mean() for ours, theirs in levels)
    assert losses['loss_mse'].item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_teacher_that_pads_otherwise_is_compared_on_the_positions_of_both(tmp_path):
    for divisor in (1, 64):
        model = tiny.faster_rcnn(base_channels=16)
        model['data_preprocessor']['pad_size_divisor'] = divisor
        setting = pairs.save_teacher(tmp_path / f'{divisor}.pth', model)
        detector = pairs.build(distilling(tiny.faster_rcnn(), setting)).eval()
        inputs, samples = pairs.batch(detector)
        levels = []
        detector.terms[0].loss.register_forward_pre_hook(lambda _, args, levels=levels: levels.append(args))
        detector.loss(torch.nn.functional.pad(inputs, (0, 32)), samples)
        assert [tuple(ours.shape[2:]) for ours, _ in levels] == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
        assert all(ours.shape == theirs.shape for ours, theirs in levels)


def levels_of(*values: int) -> tuple[torch.Tensor, ...]:
    """Maps of one channel, each filled with one of these values."""
    return tuple(torch.full((1, 1, 2, 2), float(value)) for value in values)


def values_of(levels) -> list[tuple[float, float]]:
    return [(own.mean().item(), other.mean().item()) for own, other in zip(levels.student, levels.teacher, strict=True)]


def test_levels_of_one_stride_are_compared_in_their_order():
    dilated = [4, 8, 16, 16, 32]
    found = paired('neck', 'all', levels_of(1, 2, 3, 4, 5), levels_of(10, 20, 30, 40, 50), dilated, dilated)
    assert values_of(found) == [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)]
    assert found.places == (0, 1, 2, 3, 4)
    common = paired('neck', 'common', levels_of(1, 2, 3), levels_of(10, 20, 30), [8, 16, 16], [8, 16, 32])
    assert values_of(common) == [(1, 10), (2, 20)]


def test_levels_come_from_the_finest_whatever_their_order_in_the_networks():
    coarse_first = [32, 16, 8]  # like YOLOv3's
    found = paired('neck', 'all', levels_of(3, 2, 1), levels_of(10, 20, 30), coarse_first, [8, 16, 32])
    assert values_of(found) == [(1, 10), (2, 20), (3, 30)]
    assert (found.strides, found.places) == ((8, 16, 32), (2, 1, 0))
    finest = paired('neck', [0], levels_of(3, 2, 1), levels_of(30, 20, 10), coarse_first, coarse_first)
    assert values_of(finest) == [(1, 10)]


@pytest.mark.parametrize('padded', ['student', 'teacher'])
def test_of_a_map_that_is_padded_further_the_part_of_the_image_is_compared(padded):
    """Padding is added at the bottom and on the right, so the image is at the top left."""
    image = torch.rand(1, 2, 3, 4)
    wider = torch.nn.functional.pad(image, (0, 2, 0, 1), value=9.0)
    maps = ((wider,), (image,)) if padded == 'student' else ((image,), (wider,))
    found = paired('neck', 'all', *maps, [8], [8])
    assert torch.equal(found.student[0], image)
    assert torch.equal(found.teacher[0], image)


def test_nan_in_the_teachers_maps_stops_the_run_and_names_the_images(same_width):
    detector = pairs.build(distilling(tiny.faster_rcnn(), same_width['faster']))
    pairs.step(detector)
    inputs, _ = pairs.batch(detector)
    inputs[1] = float('nan')
    run = detector.teachers[0].run
    detector.teachers[0].run = lambda forward, _: run(forward, inputs)
    with pytest.raises(FloatingPointError, match=r'not finite on 1 image\(s\): images/001\.png'):
        pairs.step(detector)


# What is refused, and how


def test_levels_that_only_one_has_are_refused_unless_the_common_ones_are_asked_for(same_width):
    detector = pairs.build(distilling(tiny.faster_rcnn(), same_width['retinanet']))
    with pytest.raises(
        ValueError, match="student's are 4, 8, 16, 32, 64, the teacher's 8, 16, 32, 64, 128.*levels='common'"
    ):
        pairs.step(detector)


def test_a_teacher_with_fewer_levels_is_refused_unless_the_common_ones_are_asked_for(tmp_path):
    fewer = tiny.faster_rcnn(base_channels=16)
    fewer['neck']['num_outs'] = 4
    fewer['rpn_head']['anchor_generator']['strides'] = [4, 8, 16, 32]
    setting = pairs.save_teacher(tmp_path / 'fewer.pth', fewer)
    with pytest.raises(
        ValueError, match="student's are 4, 8, 16, 32, 64, the teacher's 4, 8, 16, 32; .*levels='common'"
    ):
        pairs.step(pairs.build(distilling(tiny.faster_rcnn(), setting)))
    levels, _ = heard(pairs.build(distilling(tiny.faster_rcnn(), setting, COMMON)))
    assert len(levels) == 4
    # RoIs are pooled only from the levels that the teacher's own head uses, so their logits need no fifth level.
    assert pairs.step(pairs.build(distilling(tiny.faster_rcnn(), setting, pairs.TERM)))['loss_luminet'] > 0


def test_necks_of_other_widths_are_refused_with_the_line_to_change(teacher):
    with pytest.raises(
        ValueError, match='16 channels in the student and 24 in the teacher.*set out_channels=24 in the neck'
    ):
        pairs.step(pairs.build(distilling(tiny.faster_rcnn(), teacher)))
    with pytest.raises(ValueError, match="8 channels in the student and 16 in the teacher.*use the tap 'neck'"):
        pairs.step(pairs.build(distilling(tiny.faster_rcnn(), teacher, dict(NECK, tap='backbone'))))


def test_a_single_stage_teacher_for_rois_is_refused_with_the_tap_that_takes_it(same_width):
    detector = pairs.build(distilling(tiny.faster_rcnn(), same_width['fcos'], [COMMON, pairs.TERM]))
    with pytest.raises(ValueError, match="The teacher is a single-stage detector.*or the tap 'neck'"):
        pairs.step(detector)


@pytest.mark.parametrize(
    ('term', 'message'),
    [
        (dict(NECK, levels='some'), "levels='some' of tap 'neck' is unknown; choose one of all, common"),
        (dict(NECK, loss=pairs.LUMINET), "LumiNetLoss compares class logits.*'neck' gives feature maps"),
        (dict(pairs.TERM, loss=PKD), "PKDLoss compares feature maps.*'roi_cls' gives class logits"),
        (dict(tap='roi_reg', loss=PKD), "PKDLoss compares feature maps.*'roi_reg' gives box deltas"),
    ],
)
def test_a_term_that_cannot_work_is_refused_with_one_that_does(same_width, term, message):
    with pytest.raises(ValueError, match=message):
        pairs.build(distilling(tiny.faster_rcnn(), same_width['faster'], term))


class Attentive(FasterRCNN):
    """A detector whose `extract_feat` applies a learned factor after the neck."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gate = torch.nn.Parameter(torch.tensor(0.5))

    def extract_feat(self, batch_inputs):
        return tuple(self.gate * level for level in super().extract_feat(batch_inputs))


@pytest.mark.parametrize('tap', ['neck', 'backbone'])
def test_a_teacher_is_asked_by_its_own_extract_feat(tmp_path, tap):
    model = dict(tiny.faster_rcnn(), type=Attentive)
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', model)
    detector = pairs.build(distilling(tiny.faster_rcnn(), teacher, dict(NECK, tap=tap))).eval()
    levels, _ = heard(detector)
    inputs, _ = pairs.batch(detector)
    asked = detector.teachers[0].model
    with torch.no_grad():
        expected = asked.extract_feat(inputs) if tap == 'neck' else asked.backbone(inputs)
    for (_, theirs), other in zip(levels, expected, strict=True):
        torch.testing.assert_close(theirs, other)


def test_a_loss_that_learns_is_built_for_images_of_one_channel(tmp_path):
    model = tiny.faster_rcnn()
    model['backbone']['in_channels'] = 1
    model['data_preprocessor'] |= dict(mean=[128.0], std=[64.0], bgr_to_rgb=False)
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', model)
    fitnet = dict(tap='neck', loss=dict(type='luminet_det.FitNetLoss', regressor='conv'))
    detector = pairs.build(distilling(model, teacher, fitnet))
    assert [name for name, _ in detector.adaptors.named_parameters()]
