"""Annotation files that are missing or cut short: the message names the file and the line of the config."""

from pathlib import Path

import pytest

from tests import runs, tiny
from tools import test, train


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture
def cut(data, tmp_path):
    """An annotation file that was not copied to the end."""
    path = tmp_path / 'cut.json'
    path.write_text((data / 'annotations.json').read_text()[:-100])
    return path


def last_line(main, data, folder, *argv, **changes):
    config = runs.tiny_config(folder / 'config.py', data, **changes)
    finished = runs.run(main, [config, *argv, '--work-dir', folder / 'work'], folder)
    assert finished.code == 1, finished.text
    return finished.last_line


@pytest.mark.parametrize('place', ['train_dataloader', 'val_dataloader'])
def test_a_data_sets_file_that_is_not_there(data, tmp_path, place):
    text = last_line(train.main, data, tmp_path, **{place: dict(dataset=dict(ann_file='nowhere.json'))})
    assert f'There is no annotation file {data}/nowhere.json (nearest folder that exists: {data})' in text
    assert f'Change {place}.dataset.data_root or {place}.dataset.ann_file.' in text


def test_inside_wrappers_the_one_that_is_not_there_is_named(data, tmp_path):
    common = dict(type='CocoDataset', data_root=str(data), data_prefix=dict(img='images/'))
    there, gone = (dict(common, ann_file=name) for name in ('annotations.json', 'gone'))
    both = dict(_delete_=True, type='ConcatDataset', datasets=[there, gone])
    text = last_line(train.main, data, tmp_path, train_dataloader=dict(dataset=both))
    assert f'There is no annotation file {data}/gone ' in text
    assert 'Change train_dataloader.dataset.datasets.1.data_root or ' in text


def test_an_evaluators_file_that_is_not_there(data, tmp_path):
    text = last_line(train.main, data, tmp_path, val_evaluator=dict(ann_file='elsewhere/val.json'))
    assert 'There is no annotation file elsewhere/val.json' in text
    assert text.endswith('Change val_evaluator.ann_file.')


@pytest.mark.parametrize(
    ('changes', 'line'),
    [
        (lambda path: dict(train_dataloader=dict(dataset=dict(ann_file=path))), 'train_dataloader.dataset.ann_file'),
        (lambda path: dict(val_evaluator=dict(ann_file=path)), 'val_evaluator.ann_file'),
    ],
    ids=['dataset', 'evaluator'],
)
def test_a_file_that_is_cut_short(data, cut, tmp_path, changes, line):
    text = last_line(train.main, data, tmp_path, **changes(str(cut)))
    assert f'{cut} is cut short or not JSON: ' in text
    assert line in text


def test_a_test_says_the_same(data, tmp_path):
    runs.run(train.main, [runs.tiny_config(tmp_path / 'plain.py', data), '--work-dir', tmp_path / 'plain'], tmp_path)
    (checkpoint,) = Path(tmp_path / 'plain').glob('iter_*.pth')
    changes = dict(test_dataloader=dict(dataset=dict(ann_file='nowhere.json')))
    text = last_line(test.main, data, tmp_path, checkpoint, **changes)
    assert 'Change test_dataloader.dataset.data_root or test_dataloader.dataset.ann_file.' in text
