"""An empty training set: what is said of its file, its classes and its filters."""

import json
from copy import deepcopy

import pytest
from mmdet.utils import register_all_modules
from mmengine.runner import Runner

from luminet_det import training_set
from tests import tiny


class Building:
    """The one method of a Runner that is guarded."""

    def __init__(self):
        self.build_dataloader = Runner.build_dataloader


@pytest.fixture
def build():
    register_all_modules(init_default_scope=True)
    runner = Building()
    training_set.guard(runner)
    return runner.build_dataloader


@pytest.fixture
def loader(tmp_path):
    data = tiny.write_coco(tmp_path / 'data')
    return deepcopy(tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path).train_dataloader)


def without(loader, *keys):
    path = f'{loader.dataset.data_root}/{loader.dataset.ann_file}'
    with open(path) as file:
        content = json.load(file)
    with open(path, 'w') as file:
        json.dump(content | {key: [] for key in keys}, file)
    return loader


def test_a_set_with_images_passes(build, loader):
    assert len(build(loader, seed=0).dataset) == 8


def test_other_classes(build, loader):
    loader.dataset.metainfo = dict(classes=('cat',))
    with pytest.raises(ValueError, match=r"8 images, 12 objects, categories 'thing0', 'thing1', 'thing2'") as caught:
        build(loader, seed=0)
    assert "metainfo = dict(classes=('thing0', 'thing1', 'thing2'))" in str(caught.value).splitlines()[-1]


def test_the_classes_of_coco_are_those_of_a_set_that_names_none(build, loader):
    loader.dataset.pop('metainfo')
    with pytest.raises(ValueError, match=r"classes 'person', 'bicycle', .* \(80 in all\)"):
        build(loader, seed=0)


def test_no_images(build, loader):
    with pytest.raises(ValueError, match=r'lists no images: change train_dataloader\.dataset\.ann_file\.$'):
        build(without(loader, 'images', 'annotations'), seed=0)


def test_no_objects(build, loader):
    with pytest.raises(ValueError, match=r'lists no objects: .*or keep empty images by .*filter_cfg=None\.$'):
        build(without(loader, 'annotations'), seed=0)


def test_images_below_the_smallest_size(build, loader):
    loader.dataset.filter_cfg = dict(min_size=999)
    with pytest.raises(ValueError, match=r'filter_cfg drops every image: lower its min_size'):
        build(loader, seed=0)


def test_the_place_inside_wrappers_is_named(build, loader):
    loader.dataset.metainfo = dict(classes=('cat',))
    loader.dataset = dict(type='RepeatDataset', times=2, dataset=loader.dataset)
    with pytest.raises(ValueError, match=r'Set train_dataloader\.dataset\.dataset\.metainfo'):
        build(loader, seed=0)
    loader.dataset = dict(type='ConcatDataset', datasets=[loader.dataset.dataset])
    with pytest.raises(ValueError, match=r'Set train_dataloader\.dataset\.datasets\.0\.metainfo'):
        build(loader, seed=0)


def test_other_errors_stay_what_they_are(build, loader):
    loader.dataset.ann_file = 'nowhere.json'
    with pytest.raises(FileNotFoundError, match='nowhere.json'):
        build(loader, seed=0)
