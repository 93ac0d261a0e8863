"""A neck that does not fit stops training in the first step at the latest, with the channels to write."""

import pytest

from tests import pairs, runs, tiny
from tests.backbones.detectors import faster_rcnn
from tools import train

TIMM = dict(type='luminet_det.TimmBackbone', model_name='test_resnet', out_indices=(1, 2, 3, 4))
CHANNELS = [32, 48, 192, 96]
MOBILENET = dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 7))
WRONG = [64, 128, 256, 512]


def test_a_timm_student_is_refused_when_it_is_built(teacher):
    with pytest.raises(ValueError, match=r'of the student takes .* neck=dict\(in_channels=\[32, 48, 192, 96\]\)'):
        pairs.build(pairs.distilling(faster_rcnn(TIMM, WRONG), teacher))


@pytest.mark.parametrize('distill', [pairs.TERM, []])
def test_a_student_of_mmdet_is_refused_in_the_first_step(teacher, distill):
    student = pairs.build(pairs.distilling(faster_rcnn(tiny.faster_rcnn()['backbone'], WRONG), teacher, distill))
    with pytest.raises(ValueError, match=r'of the student .* ResNet gives \[8, 16, 32, 64\]. Write neck=dict'):
        pairs.step(student)


@pytest.mark.parametrize(('backbone', 'channels'), [(TIMM, CHANNELS), (MOBILENET, [8, 8, 24, 1280])])
def test_a_teacher_is_refused_in_the_first_step(backbone, channels, tmp_path):
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', faster_rcnn(backbone, channels))
    # MobileNetV2's checkpoint still fits, as the levels that it outputs do not change its weights.
    teacher['config']['backbone'] = dict(backbone, out_indices=backbone['out_indices'][:3])
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher))
    with pytest.raises(ValueError, match='of the teacher takes') as raised:
        pairs.step(student)
    assert f'Write neck=dict(in_channels={channels[:3]})' in str(raised.value)


@pytest.mark.parametrize(
    ('backbone', 'channels'), [(TIMM, CHANNELS), (tiny.faster_rcnn()['backbone'], [8, 16, 32, 64])]
)
def test_a_plain_detector_is_refused_by_the_training_tool(backbone, channels, tmp_path):
    config = runs.tiny_config(tmp_path / 'plain.py', tiny.write_coco(tmp_path / 'data'), faster_rcnn(backbone, WRONG))
    finished = runs.run(train.main, [config], tmp_path)
    assert finished.code != 0
    assert f'Write neck=dict(in_channels={channels})' in finished.last_line
