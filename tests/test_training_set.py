"""An empty or faulty dataset is refused with a message about its place, file, classes or filters."""

import json
from copy import deepcopy

import pytest
from mmdet.utils import register_all_modules
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner

from luminet_det import training_set
from tests import tiny


class Building:
    """Stands in for a Runner: the method that is guarded, the config, and the message hub for what is published."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.build_dataloader = Runner.build_dataloader
        self.message_hub = MessageHub.get_instance('building')


@pytest.fixture
def cfg(tmp_path):
    return tiny.runner_cfg(tiny.faster_rcnn(), tiny.write_coco(tmp_path / 'data'), tmp_path)


@pytest.fixture
def build(cfg):
    register_all_modules(init_default_scope=True)
    runner = Building(cfg)
    training_set.guard(runner)
    return lambda loader, seed: runner.build_dataloader(deepcopy(loader), seed=seed)


@pytest.fixture
def loader(cfg):
    return cfg.train_dataloader


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


@pytest.mark.parametrize('place', ['val_dataloader', 'test_dataloader'])
@pytest.mark.parametrize('classes', [('thing1', 'thing2'), ('thing0', 'thing1', 'thing2', 'cat')])
def test_validation_on_other_classes_than_those_of_training_is_refused(build, cfg, place, classes):
    cfg.test_dataloader = deepcopy(cfg.val_dataloader)
    cfg.test_dataloader.batch_size = 2
    build(cfg.train_dataloader, seed=0)
    cfg[place].dataset.metainfo = dict(classes=classes)
    with pytest.raises(
        ValueError, match=rf'{place} numbers its classes {", ".join(classes)}, train_dataloader thing0,'
    ):
        build(cfg[place], seed=0)


def test_validation_on_classes_that_are_numbers_is_refused_too(build, cfg):
    build(cfg.train_dataloader, seed=0)
    cfg.val_dataloader.dataset.metainfo = dict(classes=(1, 2))
    with pytest.raises(ValueError, match='val_dataloader numbers its classes 1, 2, train_dataloader thing0'):
        build(cfg.val_dataloader, seed=0)


def test_validation_on_the_same_classes_in_another_order_is_warned_of(build, cfg, log):
    build(cfg.train_dataloader, seed=0)
    build(cfg.val_dataloader, seed=0)
    assert 'numbers its classes' not in log.text
    cfg.val_dataloader.dataset.metainfo = dict(classes=('thing2', 'thing1', 'thing0'))
    build(cfg.val_dataloader, seed=0)
    assert 'val_dataloader numbers its classes thing2, thing1, thing0' in log.text


@pytest.mark.parametrize('name', ['train_dataloader', 'val_dataloader', 'test_dataloader'])
def test_the_data_set_that_is_empty_is_named(build, cfg, name):
    cfg.test_dataloader = deepcopy(cfg.val_dataloader)
    cfg.test_dataloader.batch_size = 2
    with pytest.raises(ValueError, match=rf'lists no images: change {name}\.dataset\.ann_file\.$') as caught:
        build(without(cfg[name], 'images', 'annotations'), seed=0)
    assert str(caught.value).startswith(f'The dataset of {name} is empty')


def test_a_loader_that_is_not_in_the_config_gets_none_of_its_names(build, loader):
    other = deepcopy(loader)
    other.batch_size = 7
    with pytest.raises(ValueError, match=r'lists no images: change dataloader\.dataset\.ann_file\.$'):
        build(without(other, 'images', 'annotations'), seed=0)


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


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def changed(loader, change):
    path = f'{loader.dataset.data_root}/{loader.dataset.ann_file}'
    with open(path) as file:
        content = json.load(file)
    change(content)
    with open(path, 'w') as file:
        json.dump(content, file)
    return loader


@pytest.mark.parametrize('name', ['train_dataloader', 'val_dataloader'])
def test_images_that_are_not_there_are_named(build, cfg, tmp_path, name):
    for number in (1, 6):
        (tmp_path / 'data' / 'images' / f'{number:03d}.png').unlink()
    with pytest.raises(ValueError, match=r'2 of 8 images are not there: .*images/001.png; .*006.png\.') as caught:
        build(cfg[name], seed=0)
    assert str(caught.value).startswith(f'The dataset of {name}, {tmp_path}/data/annotations.json')
    assert 'Correct data_root or data_prefix' in str(caught.value)


def test_an_image_that_the_filters_drop_may_be_missing(build, loader, tmp_path):
    def clear(content):
        content['annotations'] = [a for a in content['annotations'] if a['image_id'] != 1]

    (tmp_path / 'data' / 'images' / '001.png').unlink()
    assert len(build(changed(loader, clear), seed=0).dataset) == 7


@pytest.mark.parametrize('key', ['id', 'name'])
def test_a_category_that_repeats(build, loader, key):
    def repeat(content):
        content['categories'][2][key] = content['categories'][0][key]

    with pytest.raises(
        ValueError, match=f'annotations.json: 1 category {key} used more than once: .*Give each category'
    ):
        build(changed(loader, repeat), seed=0)


@pytest.mark.parametrize('box', [None, [1, 2, float('inf'), 4]])
def test_a_box_that_no_loss_can_take(build, loader, box):
    with pytest.raises(ValueError, match='1 (annotation whose bbox|box of infinite).*annotation 1 of image 0'):
        build(changed(loader, lambda content: content['annotations'][0].update(bbox=box)), seed=0)


@pytest.mark.parametrize('box', [[1, 2, float('nan'), 4], [9, 9, 0, 4], [9, 9, -3, 4]])
def test_boxes_that_mmdet_leaves_out_are_warned_of(build, loader, log, box):
    build(changed(loader, lambda content: content['annotations'][0].update(bbox=box)), seed=0)
    assert 'annotation 1 of image 0, bbox [' in log.text
    assert 'train_dataloader' in log.text


def test_a_sound_set_is_not_warned_of(build, loader, log):
    build(loader, seed=0)
    assert 'annotation' not in log.text


def test_the_faults_of_data_sets_inside_wrappers_are_found(build, loader, tmp_path):
    loader.dataset = dict(type='ConcatDataset', datasets=[loader.dataset, deepcopy(loader.dataset)])
    (tmp_path / 'data' / 'images' / '001.png').unlink()
    with pytest.raises(ValueError, match='1 of 8 images are not there'):
        build(loader, seed=0)


def test_a_file_of_another_kind_keeps_mmdets_error(build, loader):
    with open(f'{loader.dataset.data_root}/{loader.dataset.ann_file}', 'w') as file:
        file.write('[]')
    with pytest.raises(AssertionError, match='not supported'):
        build(loader, seed=0)


def test_a_set_that_drop_last_leaves_no_batch_of_is_refused(build, loader):
    loader.batch_sampler = None
    images = len(build(loader, 0).dataset)
    loader |= dict(batch_size=images + 1, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=True))
    with pytest.raises(
        ValueError, match=rf'train_dataloader has no batch: drop_last leaves nothing of {images} images'
    ):
        build(loader, 0)
    # An infinite sampler fills the batch with images of the next round.
    loader.sampler = dict(type='InfiniteSampler', shuffle=True)
    assert len(next(iter(build(loader, 0)))['inputs']) == images + 1
