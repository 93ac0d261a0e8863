import json
from pathlib import Path

import cv2
import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from luminet_det import pictures
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
def model():
    register_all_modules()
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(STUDENT).model)


@pytest.fixture(scope='module')
def checkpoint(model, tmp_path_factory):
    path = tmp_path_factory.mktemp('student') / 'iter_1.pth'
    meta = dict(dataset_meta=dict(classes=Config.fromfile(STUDENT).classes))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture(scope='module')
def dataset(root):
    register_all_modules()
    setting = Config.fromfile(STUDENT).val_dataloader.dataset
    return DATASETS.build({**setting, 'data_root': f'{root}/'})


def test_the_picture_has_a_row_a_scene_and_a_column_a_detector(root, checkpoint, tmp_path):
    detectors = dict.fromkeys(('teacher', 'student', 'distilled'), (STUDENT, checkpoint))
    picture.draw_comparison(tmp_path / 'two.png', root, detectors, indices=(0, 1))
    picture.draw_comparison(tmp_path / 'one.png', root, detectors, indices=(0,))
    two, one = (cv2.imread(str(tmp_path / f'{name}.png')) for name in ('two', 'one'))
    assert one.shape[1] == two.shape[1] > 4 * 128
    assert two.shape[0] > 1.5 * one.shape[0]


def test_detections_are_boxes_of_named_digits_above_the_threshold(dataset, model):
    classes = dataset.metainfo['classes']
    everything = pictures.detect(model, dataset, (0, 1), classes, score=0.0)
    assert pictures.detect(model, dataset, (0, 1), classes, score=0.99) == [[], []]
    assert all(everything)
    for found in everything:
        assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)
    found = everything[0][0]
    assert len(found.corners) == 4
    assert found.name in '0123456789'
    assert 0 < found.score < 1
    assert not found.outline


def test_the_truth_is_that_of_the_annotations(dataset, root):
    content = json.loads((root / 'annotations' / 'val.json').read_text())
    digits = {category['id']: category['name'] for category in content['categories']}
    for index in (0, 1):
        scene = pictures.scene(dataset, index)
        assert scene.pixels.shape == (128, 128, 3)
        assert 2 <= len(scene.truth) <= 6
        image = dataset.get_data_info(index)['img_id']
        annotated = [one for one in content['annotations'] if one['image_id'] == image]
        corners = [(x, y, x + width, y + height) for x, y, width, height in (one['bbox'] for one in annotated)]
        assert [box.corners for box in scene.truth] == [pytest.approx(each) for each in corners]
        assert [box.name for box in scene.truth] == [digits[one['category_id']] for one in annotated]
