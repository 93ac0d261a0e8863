"""tools/show.py: shows annotations, teacher, student alone and distilled student on validation images."""

import json
import re

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config, ConfigDict

from luminet_det import pictures
from tests import pairs, runs, tiny
from tests.classification import small
from tools import show

pytest.importorskip('matplotlib')


def save(path, model, seed):
    register_all_modules()
    torch.manual_seed(seed)
    torch.save(dict(state_dict=MODELS.build(ConfigDict(model)).state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('show')


@pytest.fixture(scope='module')
def distilling(folder, data):
    teacher = pairs.save_teacher(folder / 'teacher.pth', tiny.faster_rcnn(base_channels=16))
    return runs.tiny_config(folder / 'taught.py', data, pairs.distilling(tiny.faster_rcnn(), teacher))


@pytest.fixture(scope='module')
def weights(folder):
    """Checkpoints of the distilled student and of the student alone."""
    return [save(folder / f'{seed}.pth', tiny.faster_rcnn(), seed) for seed in (1, 2)]


def shown(capsys, *words):
    show.main([str(word) for word in words])
    return capsys.readouterr().out


def refused(capsys, *words):
    with pytest.raises(SystemExit, match='2'):
        show.main([str(word) for word in words])
    return capsys.readouterr().err.splitlines()[-1]


def test_all_detectors_are_counted_and_drawn(distilling, weights, tmp_path, capsys):
    out = tmp_path / 'made' / 'show.png'
    words = [distilling, weights[0], '--plain', weights[1], '--score', '0.0', '--of', '0', '--out', out]
    text = shown(capsys, *words, '--images', '2')
    rows = dict(re.findall(r'^\| (teacher|student alone|distilled) +\|(.*)\|$', text, re.M))
    assert list(rows) == ['teacher', 'student alone', 'distilled']
    assert '8 of 8 images, score >= 0' in text
    cfg = Config.fromfile(distilling)
    found = pictures.compare(cfg, weights[0], weights[1], score=0.0)
    for name, row in rows.items():
        total = [sum(column) for column in zip(*found.counts[name], strict=True)]
        assert [int(number) for number in row.split('|')] == total
        assert total[0] + total[2] == sum(len(scene.truth) for scene in found.scenes)
    assert found.found['student alone'] != found.found['distilled'] != found.found['teacher']
    two = cv2.imread(str(out))
    shown(capsys, *words, '--images', '4')
    assert cv2.imread(str(out)).shape[0] > 1.5 * two.shape[0]


def test_the_same_weights_find_the_same_and_tell_nothing_apart(distilling, weights):
    found = pictures.compare(Config.fromfile(distilling), weights[0], weights[0], images=3, score=0.0)
    assert (len(found.scenes), found.total, found.other) == (3, 8, 'student alone')
    assert found.found['student alone'] == found.found['distilled']
    before, after = found.counts['student alone'], found.counts['distilled']
    assert pictures.telling(before, after, 3) == [0, 1, 2]


def test_without_a_plain_student_the_teacher_is_compared_with(distilling, weights, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = shown(capsys, distilling, weights[0], '--of', '2', '--images', '1')
    assert 'student alone' not in text
    assert (tmp_path / 'work_dirs' / 'show' / 'taught.png').is_file()


def test_a_config_without_a_teacher_needs_a_second_student(config, weights, capsys, tmp_path):
    assert 'has no frozen teacher; give --plain CHECKPOINT' in refused(capsys, config, weights[0])
    text = shown(capsys, config, weights[0], '--plain', weights[1], '--of', '1', '--out', tmp_path / 'x.png')
    assert '| teacher' not in text


def test_a_teachers_boxes_of_classes_that_the_student_has_not_are_left_out(folder, data, weights):
    names = ('thing2', 'cat', 'thing0', 'dog', 'thing1')
    teacher = pairs.save_teacher(folder / 'more.pth', tiny.faster_rcnn(num_classes=5), classes=names)
    config = runs.tiny_config(folder / 'more.py', data, pairs.distilling(tiny.faster_rcnn(), teacher))
    found = pictures.compare(Config.fromfile(config), weights[0], score=0.0)
    named = {box.name for boxes in found.found['teacher'] for box in boxes}
    assert named <= {'thing0', 'thing1', 'thing2'}
    assert named


def test_names_in_another_order_than_the_labels_are_refused(distilling, weights, capsys):
    options = ['--cfg-options', 'val_dataloader.dataset.metainfo.classes=thing2,thing1,thing0']
    assert 'Labels follow the order of its categories' in refused(capsys, distilling, weights[0], *options)


def test_wrong_paths_are_found_before_anyone_looks(distilling, weights, capsys, tmp_path):
    with pytest.raises(SystemExit):
        show.main([str(distilling), weights[0], '--plain', 'nowhere.pth'])
    assert 'looks at' not in capsys.readouterr().out
    assert 'is a folder; name a file in it' in refused(capsys, distilling, weights[0], '--out', tmp_path)
    text = shown(capsys, distilling, weights[0], '--of', '1', '--out', tmp_path / 'name')
    assert text.endswith(f'picture  {tmp_path / "name.png"}\n')
    assert (tmp_path / 'name.png').is_file()


def test_what_cannot_be_shown_is_named(distilling, weights, config, capsys, tmp_path):
    other = save(tmp_path / 'other.pth', tiny.faster_rcnn(base_channels=16), 0)
    assert f'The checkpoint {other} does not fit its config' in refused(capsys, distilling, other)
    assert 'nowhere.pth' in refused(capsys, distilling, weights[0], '--plain', 'nowhere.pth')
    classifier = small.runner_config(tmp_path, small.setting())
    assert 'for classifiers, use tools/analyze.py' in refused(capsys, classifier, weights[0])
    assert '--images must be at least 1' in refused(capsys, distilling, weights[0], '--images', '0')
    cfg = Config.fromfile(config)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    path = runs.config_file(tmp_path / 'blind.py', cfg)
    assert 'the config has no val_dataloader' in refused(capsys, path, weights[0], '--plain', weights[1])


def test_masks_of_detectors_that_give_them_are_kept_and_their_annotations(folder, data, tmp_path):
    def compared(model, name):
        teacher = pairs.save_teacher(folder / f'{name}.pth', model)
        cfg = Config.fromfile(runs.tiny_config(tmp_path / f'{name}.py', data, pairs.distilling(model, teacher)))
        cfg.val_dataloader.dataset.ann_file = str(annotated)
        return pictures.compare(cfg, save(tmp_path / f'{name}_student.pth', model, 1), images=2, score=0.0)

    annotations = json.loads((data / 'annotations.json').read_text())
    for box in annotations['annotations']:
        x, y, width, height = box['bbox']
        box['segmentation'] = [[x, y, x + width, y, x + width, y + height]]
    annotated = tmp_path / 'annotations.json'
    annotated.write_text(json.dumps(annotations))
    masked = pairs.mask_rcnn()
    masked['test_cfg']['rcnn']['mask_thr_binary'] = 0.0  # so that masks fill their boxes
    with_masks, without = compared(masked, 'masks'), compared(tiny.faster_rcnn(), 'boxes')
    for found in with_masks.found.values():
        assert any(box.outline for boxes in found for box in boxes)
    truth = [box for scene in with_masks.scenes for box in scene.truth]
    assert truth
    assert all(np.min(box.outline[0], 0).tolist() == list(box.corners[:2]) for box in truth)
    assert not any(box.outline for scene in without.scenes for box in scene.truth)
