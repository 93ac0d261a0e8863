"""Class names that do not fit the annotation file are found before a step is trained."""

import pytest

from luminet_det.category_order import misfit
from tests import pairs, runs, tiny
from tools import train

PLAIN = tiny.faster_rcnn()


def attempt(folder, data, model, classes):
    config = runs.tiny_config(folder / 'c.py', data, model, max_iters=1)
    flags = [f'{name}_dataloader.dataset.metainfo.classes={classes}' for name in ('train', 'val')]
    argv = [config, '--work-dir', folder / 'work', '--cfg-options', *flags]
    return runs.run(train.main, argv, folder)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.mark.parametrize(
    ('classes', 'finding'),
    [
        ('thing2,thing0,thing1', "write metainfo=dict(classes=('thing0', 'thing1', 'thing2'))"),
        ('thing0,thinng1,thing2', 'No category of it: thinng1. Did you mean thing1?'),
    ],
)
def test_a_distilling_run_stops_with_the_line_to_write(tmp_path, data, teacher, classes, finding):
    distilling = attempt(tmp_path / 'distilling', data, pairs.distilling(PLAIN, teacher), classes)
    assert distilling.code == 1
    assert 'do not fit' in distilling.last_line
    assert finding in distilling.last_line


def test_a_plain_run_is_left_as_it_is_in_mmdet(tmp_path, data):
    finished = attempt(tmp_path, data, PLAIN, 'thing2,thing0,thing1')
    assert finished.code == 0, finished.text


def test_names_in_the_files_order_pass(tmp_path, data, teacher):
    finished = attempt(tmp_path, data, pairs.distilling(PLAIN, teacher), 'thing0,thing1,thing2')
    assert finished.code == 0, finished.text


def test_some_of_the_categories_in_their_order_pass():
    known = ['cat', 'dog', 'cow']
    assert misfit(['cat', 'cow'], known) is None
    assert "('cat', 'cow')" in misfit(['cow', 'cat'], known)
