"""docs/your_own_dataset.md: its configs load, fit together, and train when written to files as the page says."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from mmdet.models.detectors import FasterRCNN
from mmengine.config import Config

from luminet_det.compat import checkpoints
from tests import pairs, runs, tiny
from tests.test_configs import narrow
from tests.test_voc import write_voc
from tools import doctor, publish, test, train

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'your_own_dataset.md').read_text()
BLOCKS = re.findall(r'```python\n(# \S+\n.*?)```', PAGE, re.S)
HANDED_OVER = re.findall(r'```python\n(?!# \S+\n)(.*?)```', PAGE, re.S)
DATA = ['configs/parts/parts.py', 'configs/parts/parts_voc.py']
DETECTORS = ['configs/parts/teacher.py', 'configs/parts/student.py', 'configs/parts/distilled.py']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the configs of the page, and COCO-format data with their classes."""
    for block in BLOCKS:
        path = tmp_path / re.match(r'# (\S+)\n', block)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)
    monkeypatch.chdir(tmp_path)
    parts = Config.fromfile('configs/parts/parts.py')
    data = tiny.write_coco(parts.data_root, num_images=4)
    content = json.loads((data / 'annotations.json').read_text())
    for category, name in zip(content['categories'], parts.classes, strict=True):
        category['name'] = name
    for name in ('train.json', 'val.json'):
        (data / name).write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def narrowed(folder):
    """`folder` with thin nets for teacher and student, small images, one epoch and the teacher's checkpoint."""
    for path, neck in (('configs/parts/teacher.py', [32, 64, 128, 256]), ('configs/parts/student.py', None)):
        config = Config.fromfile(path)
        narrow(config.model)
        config.model.neck.in_channels = neck or config.model.neck.in_channels
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            loader |= dict(num_workers=0, persistent_workers=False)
            for transform in loader.dataset.pipeline:
                if transform.type == 'Resize':
                    transform.scale = (64, 64)
        config.load_from = None
        config.train_cfg.max_epochs = 1
        config.default_hooks.logger.interval = 1
        config.default_hooks.checkpoint.interval = 1
        runs.config_file(Path(path), config)
    distilled = Config.fromfile('configs/parts/distilled.py')
    checkpoint = Path(distilled.model.teacher.checkpoint)
    checkpoint.parent.mkdir(parents=True)
    pairs.save_teacher(
        checkpoint, Config.fromfile('configs/parts/teacher.py').model.to_dict(), classes=distilled.classes
    )
    return folder


def test_every_block_is_a_file_of_its_own():
    assert [re.match(r'# (\S+)\n', block)[1] for block in BLOCKS] == DATA + DETECTORS
    assert all(name in PAGE.replace(f'# {name}', '') for name in DETECTORS)


def test_teacher_student_and_distilled_share_data_classes_and_schedule(folder):
    teacher, student, distilled = (Config.fromfile(path) for path in DETECTORS)
    for config in (teacher, student, distilled):
        assert config.model.roi_head.bbox_head.num_classes == len(config.classes)
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            dataset = config[name].dataset
            assert tuple(dataset.metainfo.classes) == config.classes
            assert Path(dataset.data_root, dataset.ann_file).is_file()
            assert Path(dataset.data_root, dataset.data_prefix.img).is_dir()
            assert config[name] == teacher[name]
        for name in ('val_evaluator', 'test_evaluator'):
            assert Path(config[name].ann_file).is_file()
        for name in ('classes', 'train_cfg', 'param_scheduler', 'optim_wrapper', 'auto_scale_lr'):
            assert config[name] == teacher[name]
    assert [config.model.type for config in (teacher, student)] == ['FasterRCNN'] * 2
    assert distilled.model.type == 'luminet_det.DistillTwoStageDetector'
    assert distilled.model.teacher.config == DETECTORS[0]
    assert f'`{distilled.model.teacher.checkpoint}`' in PAGE
    plain = distilled.model.to_dict()
    assert {name for name in plain if plain[name] != student.model.get(name)} == {'type', 'teacher', 'distill'}


def test_the_distilled_student_trains_and_its_checkpoint_is_the_plain_ones(narrowed):
    finished = runs.run(train.main, [DETECTORS[2], '--auto-scale-lr', '--seed', '0'], narrowed)
    assert finished.code == 0, finished.text
    assert 'classes  the same' in finished.text
    assert re.search(r'student coco/bbox_mAP [\d.]+, teacher [\d.]+, gap ', finished.text)
    losses = runs.scalars(narrowed / 'work_dirs' / 'distilled', 'loss_luminet')
    assert len(losses) == 2
    assert all(loss > 0 for loss in losses.values())
    finished = runs.run(test.main, [DETECTORS[1], 'work_dirs/distilled/epoch_1.pth'], narrowed)
    assert finished.code == 0, finished.text
    assert '\npython tools/publish.py work_dirs/distilled/epoch_12.pth student.pth\n' in PAGE
    publish.main(['work_dirs/distilled/epoch_1.pth', 'student.pth'])
    found = {}
    for block in HANDED_OVER:
        exec(block, found)
    assert type(found['detector']) is FasterRCNN
    assert found['detector'].dataset_meta['classes'] == Config.fromfile(DETECTORS[1]).classes
    loaded = found['detector'].state_dict()
    saved = checkpoints.load('work_dirs/distilled/epoch_1.pth')['state_dict']
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], weight) for name, weight in saved.items())


def examined(folder, *argv):
    finished = runs.run(lambda words: sys.exit(doctor.main(words)), argv, folder)
    return finished.code, re.findall(r'^(?:OK|WARN|FAIL|SKIP) +([a-z ]+): ', finished.text, re.M), finished.text


def test_the_doctor_finds_nothing_to_change_and_every_finding_is_explained(narrowed):
    code, checks, text = examined(narrowed, DETECTORS[2])
    assert code == 0, text
    explained = {name for names in re.findall(r'^\| ([a-z, ]+) \| ', PAGE, re.M) for name in names.split(', ')}
    assert set(checks) <= explained
    printed = PAGE.partition('## 5. The doctor')[2].partition('With the right number')[0]
    shown = re.findall(r'^(?:OK|WARN|FAIL|SKIP) +([a-z ]+): ', printed, re.M)
    assert set(checks) - set(shown) == {'gradient'}, 'print what the doctor says now'


def test_data_in_voc_format_takes_the_place_of_the_other(folder):
    from mmdet.registry import DATASETS

    for split in ('train', 'val'):
        write_voc(folder / 'data' / 'parts', split, ('washer', 'bolt', 'nut'))
    teacher = (folder / DETECTORS[0]).read_text()
    (folder / DETECTORS[0]).write_text(teacher.replace("'./parts.py'", "'./parts_voc.py'"))
    config = Config.fromfile(DETECTORS[0])
    assert config.val_evaluator.type == 'VOCMetric'
    for loader in (config.train_dataloader, config.val_dataloader):
        dataset = DATASETS.build(loader.dataset)
        assert len(dataset) == 4
        assert dataset.metainfo['classes'] == config.classes
        labels = [dataset.get_data_info(i)['instances'][0]['bbox_label'] for i in range(4)]
        assert labels == [2, 0, 1, 2]
