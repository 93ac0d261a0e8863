"""Class names that do not fit the annotation file are found before the first training step."""

import json
from contextlib import nullcontext

import mmengine
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import Config

from luminet_det import category_order
from luminet_det.category_order import misfit
from luminet_det.distillation import Teacher
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
        ('thing0,thinng1,thing2', 'It has no category thinng1. Did you mean thing1?'),
    ],
)
def test_a_distilling_run_stops_with_the_line_to_write(tmp_path, data, teacher, classes, finding):
    distilling = attempt(tmp_path / 'distilling', data, pairs.distilling(PLAIN, teacher), classes)
    assert distilling.code == 1
    assert 'do not fit' in distilling.last_line
    assert finding in distilling.last_line


def test_a_plain_run_is_left_as_it_is_in_mmdet_but_warns_of_its_names(tmp_path, data):
    finished = attempt(tmp_path, data, PLAIN, 'thing2,thing0,thing1')
    assert finished.code == 0, finished.text
    assert 'names them wrongly, also as a teacher' in finished.text


def test_names_in_the_files_order_pass(tmp_path, data, teacher):
    finished = attempt(tmp_path, data, pairs.distilling(PLAIN, teacher), 'thing0,thing1,thing2')
    assert finished.code == 0, finished.text


def test_objects365_is_numbered_by_its_categories_ids(tmp_path, data):
    """So mmdet numbers it, since Objects365's files list the categories in any order."""
    content = json.loads((data / 'annotations.json').read_text())
    content['categories'].reverse()
    path = tmp_path / 'reversed.json'
    path.write_text(json.dumps(content))
    names = ('thing0', 'thing1', 'thing2')
    for kind, fits in (('Objects365V1Dataset', True), ('CocoDataset', False)):
        setting = dict(type=kind, data_root=str(data), ann_file=str(path), data_prefix=dict(img='images/'))
        dataset = DATASETS.build(dict(setting, metainfo=dict(classes=names), pipeline=[]))
        with nullcontext() if fits else pytest.raises(ValueError, match='Labels follow the order'):
            category_order.check(dataset)
        with nullcontext() if fits else pytest.raises(ValueError, match='classes of the teacher do not fit'):
            category_order.check_trained(names, setting)


def test_a_text_in_place_of_the_names_is_refused_with_the_comma_to_write(data):
    setting = dict(
        type='CocoDataset', data_root=str(data), ann_file='annotations.json', data_prefix=dict(img='images/')
    )
    dataset = DATASETS.build(dict(setting, metainfo=dict(classes='thing0'), pipeline=[]))
    with pytest.raises(ValueError, match=r"write metainfo=dict\(classes=\('thing0',\)\)"):
        category_order.check(dataset)


def test_some_of_the_categories_in_their_order_pass():
    known = ['cat', 'dog', 'cow']
    assert misfit(['cat', 'cow'], known) is None
    assert "('cat', 'cow')" in misfit(['cow', 'cat'], known)


def teacher_of_order(folder, data, classes):
    """A `teacher=` setting whose config and checkpoint say that it was trained on the tiny set with these classes."""
    path = runs.tiny_config(folder / 'teacher.py', data, PLAIN)
    cfg = Config.fromfile(path)
    cfg.train_dataloader.dataset.metainfo = dict(classes=classes)
    runs.config_file(path, cfg)
    saved = pairs.save_teacher(folder / 'teacher.pth', PLAIN)
    content = torch.load(saved['checkpoint'])
    content['meta']['dataset_meta'] = dict(classes=classes)
    torch.save(content, saved['checkpoint'])
    return dict(config=str(path), checkpoint=saved['checkpoint'])


def test_a_teacher_whose_names_are_in_another_order_than_its_labels_is_refused(tmp_path, data):
    odd = teacher_of_order(tmp_path, data, ('thing2', 'thing0', 'thing1'))
    with pytest.raises(ValueError, match=r"classes=\['thing0', 'thing1', 'thing2'\]"):
        Teacher(**odd).build()
    named = Teacher(**odd, classes=['thing0', 'thing1', 'thing2'])
    named.build()
    assert named.classes == ('thing0', 'thing1', 'thing2')


def test_a_teacher_of_some_of_the_files_categories_is_taken(tmp_path, data):
    teacher = Teacher(**teacher_of_order(tmp_path, data, ('thing0', 'thing1', 'thing2')))
    teacher.build()
    assert teacher.classes == ('thing0', 'thing1', 'thing2')


class InOrderOfMetainfo(CocoDataset):
    """Numbers labels in the order of `metainfo`, not of the file."""

    def load_data_list(self):
        listed = super().load_data_list()
        names = list(self.metainfo['classes'])
        categories = mmengine.load(self.ann_file)['categories']
        place = {category['id']: names.index(category['name']) for category in categories}
        changed = {label: place[category] for category, label in self.cat2label.items()}
        for info in listed:
            for instance in info['instances']:
                instance['bbox_label'] = changed[instance['bbox_label']]
        self.cat2label = place
        return listed


def test_a_data_set_of_ones_own_may_number_its_labels_otherwise(data):
    names = ('thing2', 'thing0', 'thing1')
    setting = dict(
        type=InOrderOfMetainfo, data_root=str(data), ann_file='annotations.json', data_prefix=dict(img='images/')
    )
    dataset = DATASETS.build(dict(setting, metainfo=dict(classes=names), pipeline=[]))
    category_order.check(dataset, {dataset.ann_file: ['thing0', 'thing1', 'thing2']})
    category_order.check_trained(names, setting)
    dataset.cat2label = {category: place for place, category in enumerate(dataset.cat_ids)}
    with pytest.raises(ValueError, match='Labels follow the order'):
        category_order.check(dataset)
    assert category_order.check_trained(names, dict(setting, type='a.class.that.is.not.there')) is None
