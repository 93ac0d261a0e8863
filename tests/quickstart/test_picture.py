from pathlib import Path

import cv2
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from luminet_det.quickstart import picture
from luminet_det.quickstart.digits import prepare_digits

pytest.importorskip('sklearn')
pytest.importorskip('matplotlib')
STUDENT = Path(__file__).parents[2] / 'configs' / 'quickstart' / 'student.py'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('digits')
    prepare_digits(folder, train=1, val=2)
    return folder


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    register_all_modules()
    torch.manual_seed(0)
    config = Config.fromfile(STUDENT)
    path = tmp_path_factory.mktemp('student') / 'iter_1.pth'
    meta = dict(dataset_meta=dict(classes=config.classes))
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta=meta), path)
    return path


def test_the_picture_has_a_row_a_scene_and_a_column_a_detector(root, checkpoint, tmp_path):
    detectors = dict.fromkeys(('teacher', 'student', 'distilled'), (STUDENT, checkpoint))
    picture.draw_comparison(tmp_path / 'two.png', root, detectors, image_ids=(1, 2))
    picture.draw_comparison(tmp_path / 'one.png', root, detectors, image_ids=(1,))
    two, one = (cv2.imread(str(tmp_path / f'{name}.png')) for name in ('two', 'one'))
    assert one.shape[1] == two.shape[1] > 4 * 128
    assert two.shape[0] > 1.5 * one.shape[0]


def test_detections_are_boxes_of_named_digits_above_the_threshold(root, checkpoint, monkeypatch):
    scenes = picture._scenes(root, (1, 2))
    monkeypatch.setattr(picture, 'SCORE', 0.0)
    everything = picture._detect(STUDENT, checkpoint, [scene['pixels'] for scene in scenes])
    monkeypatch.setattr(picture, 'SCORE', 0.99)
    assert picture._detect(STUDENT, checkpoint, [scene['pixels'] for scene in scenes]) == [[], []]
    assert all(everything)
    box, digit, score = everything[0][0]
    assert len(box) == 4
    assert digit in '0123456789'
    assert 0 < score < 1


def test_the_truth_is_that_of_the_annotations(root):
    for scene in picture._scenes(root, (1, 2)):
        assert scene['pixels'].shape == (128, 128, 3)
        assert 2 <= len(scene['truth']) <= 6
