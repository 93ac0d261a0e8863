"""What detectors pass to a loss besides the maps or rows: boxes, anchors, strides, classes, the epoch."""

import pytest
import torch

from tests import dense, pairs, tiny
from tests.classification import small
from tests.needy import term


def seen(model, *needs, tap='neck', **options):
    detector = pairs.build(pairs.distilling(*model, term(tap, 'Maps', *needs, **options)))
    pairs.step(detector)
    return detector, detector.terms[0].loss.seen


@pytest.fixture
def pair(teacher):
    return tiny.faster_rcnn(), teacher


def test_boxes_are_the_ground_truth_in_pixels_of_the_input(pair):
    detector, found = seen(pair, 'boxes', 'image_size')
    inputs, samples = pairs.batch(detector)
    assert found['image_size'] == tuple(inputs.shape[-2:])
    for boxes, sample in zip(found['boxes'], samples, strict=True):
        assert boxes.dtype == torch.float32
        assert torch.equal(boxes, sample.gt_instances.bboxes)


def test_an_image_without_boxes_hands_none(pair):
    detector = pairs.build(pairs.distilling(*pair, term('neck', 'Maps', 'boxes')))
    pairs.step(detector, num_items=(2, 0))
    assert [tuple(boxes.shape) for boxes in detector.terms[0].loss.seen['boxes']] == [(2, 4), (0, 4)]


def test_priors_are_the_anchors_of_each_level_unfiltered(pair):
    detector, found = seen(pair, 'priors', 'strides', levels=[0, 2])
    generator = detector.rpn_head.prior_generator
    assert found['strides'] == (4, 16)
    for place, priors, level in zip((0, 2), found['priors'], found['student'], strict=True):
        height, width = level.shape[-2:]
        assert priors.shape == (height, width, 3, 4)
        expected = generator.single_level_grid_priors((height, width), place, device='cpu')
        assert torch.equal(priors.flatten(0, 2), expected)


def test_a_detector_without_anchors_says_so(tmp_path):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', dense.model('fcos'))
    student = dict(dense.model('fcos'), type='luminet_det.DistillSingleStageDetector')
    detector = pairs.build(student | dict(teacher=teacher, distill=term('neck', 'Maps', 'priors')))
    with pytest.raises(ValueError, match='needs anchors, but FCOSHead has none'):
        pairs.step(detector)


@pytest.mark.parametrize('setting', [pairs.TERM, term('neck', 'Maps')])
def test_a_classifier_cannot_teach_a_detector(setting, tmp_path):
    teacher = small.save_teacher(tmp_path / 'teacher.pth')
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, setting))
    with pytest.raises(ValueError, match='A detector learns from a detector; the teacher is a Classifier'):
        pairs.step(detector)


def test_a_loss_for_another_tap_names_that_tap(pair):
    wrong = dict(tap='neck', loss=dict(type='luminet_det.KDLoss'))
    with pytest.raises(ValueError, match="Or keep it and write tap='roi_cls'"):
        pairs.build(pairs.distilling(*pair, wrong))


def test_levels_are_chosen_by_their_place_from_the_finest(pair):
    _, found = seen(pair, levels=[1, -1])
    _, every = seen(pair)
    for which, place in enumerate((1, -1)):
        assert torch.equal(found['teacher'][which], every['teacher'][place])


def test_a_place_that_there_is_not_is_an_error_that_counts_them(pair):
    with pytest.raises(ValueError, match=r"levels=\[5\] of tap 'neck' asks for 5, but there are 5: 0 to 4"):
        seen(pair, levels=[5])


def test_backbones_of_other_widths_are_handed_to_a_loss_that_bridges_them(tmp_path):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn(base_channels=16))
    _, found = seen((tiny.faster_rcnn(), teacher), tap='backbone')
    assert [level.shape[1] for level in found['student']] == [8, 16, 32, 64]
    assert [level.shape[1] for level in found['teacher']] == [16, 32, 64, 128]


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (term('neck', 'Maps', 'index'), "place in the training set .*classifiers give; the tap 'neck' of this model"),
        (term('backbone', 'Maps', 'priors'), "the tap 'neck' of detectors gives; the tap 'backbone'"),
        (term('roi_cls', 'Rows', 'boxes'), 'ground-truth boxes'),
        (term('neck', 'Maps', 'labels'), "needs names 'labels'; a loss can need target, index"),
        (term('roi_cls', 'Views'), 'several views of each image.*gives one. Write views=1'),
    ],
)
def test_what_a_tap_does_not_have_is_refused_before_anything_is_built(pair, setting, message):
    with pytest.raises(ValueError, match=message):
        pairs.build(pairs.distilling(*pair, setting))


def test_rows_come_with_their_classes_and_the_epoch(pair):
    detector = pairs.build(pairs.distilling(*pair, term('roi_cls', 'Rows', 'target', 'epoch')))
    pairs.step(detector)
    found = detector.terms[0].loss.seen
    assert (len(found['target']), found['epoch']) == (len(found['student']), 0)
