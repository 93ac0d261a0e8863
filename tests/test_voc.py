"""VOC-format data with mmdet's own dataset class: the configs fit together, and a distilling run is evaluated."""

import re
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from tests import pairs, runs, tiny
from tools import doctor, train

FOLDER = Path(__file__).parents[1] / 'configs' / 'voc'
CONFIGS = sorted(FOLDER.glob('*.py'))
DISTILLING = FOLDER / 'luminet_r18-faster-rcnn-r101_fpn_1x_voc0712.py'


def write_voc(root: Path, split: str, names: tuple[str, ...], num_images: int = 4) -> Path:
    """Write one year of a VOC devkit: filled rectangles, a JPEG and an XML file per image, and the list of a split."""
    rng = np.random.default_rng(0)
    for folder in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for i in range(num_images):
        picture = rng.integers(90, 130, (64, 80, 3), dtype=np.uint8)
        annotation = ElementTree.Element('annotation')
        size = ElementTree.SubElement(annotation, 'size')
        for key, value in dict(width=80, height=64, depth=3).items():
            ElementTree.SubElement(size, key).text = str(value)
        label = i % len(names)
        x, y = (int(v) for v in rng.integers(1, 24, 2))
        box = dict(xmin=x, ymin=y, xmax=x + 40, ymax=y + 36)
        picture[y - 1 : y + 35, x - 1 : x + 39] = tiny.COLOURS[label % len(tiny.COLOURS)]
        thing = ElementTree.SubElement(annotation, 'object')
        ElementTree.SubElement(thing, 'name').text = names[label]
        ElementTree.SubElement(thing, 'difficult').text = '0'
        bounds = ElementTree.SubElement(thing, 'bndbox')
        for key, value in box.items():
            ElementTree.SubElement(bounds, key).text = str(value)
        ElementTree.ElementTree(annotation).write(root / 'Annotations' / f'{i:06d}.xml')
        cv2.imwrite(str(root / 'JPEGImages' / f'{i:06d}.jpg'), picture)
    (root / 'ImageSets' / 'Main' / f'{split}.txt').write_text(''.join(f'{i:06d}\n' for i in range(num_images)))
    return root


@pytest.fixture
def devkit(tmp_path):
    """The folder of a run, with two years of tiny VOC data where the configs look for them."""
    from mmdet.datasets import VOCDataset

    names = VOCDataset.METAINFO['classes']
    for year, splits in (('VOC2007', ('trainval', 'test')), ('VOC2012', ('trainval',))):
        for split in splits:
            write_voc(tmp_path / 'data' / 'VOCdevkit' / year, split, names)
    return tmp_path


@pytest.fixture
def config(devkit):
    """The distilling config with thin nets, small images, one epoch and a teacher of the 20 classes."""
    from mmdet.datasets import VOCDataset

    names = VOCDataset.METAINFO['classes']
    cfg = Config.fromfile(DISTILLING)
    model = cfg.model
    model.backbone |= dict(base_channels=8, stem_channels=8, frozen_stages=-1, norm_eval=False)
    model.backbone.pop('init_cfg')
    model.neck |= dict(in_channels=[8, 16, 32, 64], out_channels=16)
    model.rpn_head |= dict(in_channels=16, feat_channels=16)
    model.roi_head.bbox_roi_extractor.out_channels = 16
    model.roi_head.bbox_head |= dict(in_channels=16, fc_out_channels=32)
    wide = tiny.faster_rcnn(20, base_channels=16)
    model.teacher = pairs.save_teacher(devkit / 'teacher.pth', wide, classes=names)
    repeated = cfg.train_dataloader.dataset
    repeated.times = 1
    for dataset in (*repeated.dataset.datasets, cfg.val_dataloader.dataset):
        for transform in dataset.pipeline:
            if transform.type == 'Resize':
                transform.scale = (80, 64)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader |= dict(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.batch_size = 4
    cfg.train_cfg.max_epochs = 1
    cfg.default_hooks.logger.interval = 1
    return cfg


def examined(folder, cfg):
    path = runs.config_file(folder / 'voc.py', cfg)
    return runs.run(lambda argv: sys.exit(doctor.main(argv)), [path], folder)


def trained(folder, cfg):
    path = runs.config_file(folder / 'voc.py', cfg)
    return runs.run(train.main, [path, '--work-dir', folder / 'work'], folder)


def test_there_are_as_many_configs_as_the_readme_lists():
    readme = (FOLDER / 'README.md').read_text()
    assert len(CONFIGS) == 3
    assert all(f'({path.name})' in readme for path in CONFIGS)


def test_teacher_and_students_share_seed_data_schedule_and_metric():
    teacher, plain, distilling = (Config.fromfile(FOLDER / name) for name in (
        'teacher_r101-faster-rcnn_fpn_1x_voc0712.py', 'plain_r18-faster-rcnn_fpn_1x_voc0712.py', DISTILLING
    ))  # fmt: skip
    for key in ('randomness', 'train_dataloader', 'val_evaluator', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert teacher[key] == plain[key] == distilling[key], key
    assert (FOLDER.parents[1] / distilling.model.teacher.config).is_file()
    assert distilling.model.teacher.checkpoint.endswith(
        f'teacher_r101-faster-rcnn_fpn_1x_voc0712/epoch_{plain.max_epochs}.pth'
    )


def test_it_trains_two_steps_distilling_and_is_evaluated_beside_its_teacher(devkit, config, monkeypatch):
    # mmdet's metric forks. A fork of this test's forked process sometimes waits for a lock that nobody will release.
    monkeypatch.setattr('mmdet.evaluation.functional.mean_ap.Pool', ThreadPool)
    finished = trained(devkit, config)
    assert finished.code == 0, finished.text
    losses = runs.scalars(devkit / 'work', 'loss_luminet')
    assert list(losses) == [1, 2]
    assert all(loss > 0 for loss in losses.values())
    assert 'classes  the same' in finished.text
    assert re.search(r'Teacher FasterRCNN on the validation set: pascal_voc/mAP [\d.]+', finished.text)
    assert re.search(r'student pascal_voc/mAP [\d.]+, teacher [\d.]+, gap ', finished.text)


def test_a_missing_image_ends_the_run_before_it_starts(devkit, config):
    (devkit / 'data' / 'VOCdevkit' / 'VOC2012' / 'JPEGImages' / '000002.jpg').unlink()
    finished = trained(devkit, config)
    assert finished.code == 1
    assert '1 of 4 images are not there: data/VOCdevkit/VOC2012/JPEGImages/000002.jpg' in finished.last_line
    assert 'data/VOCdevkit/VOC2012/ImageSets/Main/trainval.txt' in finished.last_line


@pytest.mark.parametrize('xmax', ['1', '30'])
def test_an_empty_or_negative_box_ends_the_run_before_it_starts(devkit, config, xmax):
    for dataset in config.train_dataloader.dataset.dataset.datasets:
        dataset.filter_cfg.bbox_min_size = None
    path = devkit / 'data' / 'VOCdevkit' / 'VOC2007' / 'Annotations' / '000001.xml'
    tree = ElementTree.parse(path)
    tree.find('.//xmin').text, tree.find('.//xmax').text = '30', xmax
    tree.write(path)
    finished = trained(devkit, config)
    assert finished.code == 1
    assert '1 of 4 boxes are empty, negative or not finite' in finished.last_line
    assert 'JPEGImages/000001.jpg. Correct or remove them' in finished.last_line


def test_the_doctor_reads_the_format(devkit, config):
    finished = examined(devkit, config)
    assert finished.code == 0, finished.text
    assert 'OK    annotations: data/VOCdevkit/VOC2012/ImageSets/Main/trainval.txt is there' in finished.text
    assert 'OK    images: train_dataloader: 4 images, 4 boxes' in finished.text
    assert 'OK    classes: 20 in data and student: aeroplane' in finished.text
    (devkit / 'data' / 'VOCdevkit' / 'VOC2007' / 'Annotations' / '000002.xml').unlink()
    finished = examined(devkit, config)
    assert finished.code == 1
    assert '000002.xml' in finished.text
    assert 'Traceback' not in finished.text
