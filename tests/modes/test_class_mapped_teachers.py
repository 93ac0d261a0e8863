"""A teacher of COCO's 80 classes for a student of 20 of them, in another order."""

import json
import random

import pytest
import torch
from mmdet.datasets import CocoDataset

from luminet_det.losses import LumiNetLoss
from tests import pairs, runs, tiny
from tests.modes import students
from tools import train

COCO = CocoDataset.METAINFO['classes']
NAMES = tuple(random.Random(0).sample(COCO, 20))


def model(kind, num_classes, **widths):
    made = students.plain(kind, **widths)
    head = made['roi_head']['bbox_head'] if kind == 'two_stage' else made['bbox_head']
    head['num_classes'] = num_classes
    return made


@pytest.fixture(scope='module')
def coco_teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp('coco')
    return {
        kind: students.save_teacher(folder / f'{kind}.pth', model(kind, 80, base_channels=16), classes=COCO)
        for kind in students.DISTILLERS
    }


def distilling(kind, teacher):
    return model(kind, 20) | dict(type=students.DISTILLERS[kind], teacher=teacher, distill=[students.HEAD_TERMS[kind]])


def test_the_student_hears_its_classes_gathered_by_hand(monkeypatch, coco_teachers, kind):
    detector = pairs.build(distilling(kind, coco_teachers[kind]))
    monkeypatch.setattr(type(detector), 'student_classes', lambda self: NAMES)
    detector.loss(*pairs.batch(detector))
    heard, said = [], []
    detector.terms[0].loss.register_forward_pre_hook(lambda _, args: heard.append(args))
    teacher = detector.teachers[0].model
    if kind == 'two_stage':
        teacher.roi_head.bbox_head.fc_cls.register_forward_hook(lambda *args: said.append(args[2]))
    else:
        teacher.bbox_head.register_forward_hook(lambda *args: said.extend(args[2][0]))
    losses = pairs.step(detector)
    columns = [COCO.index(name) for name in NAMES] + ([80] if kind == 'two_stage' else [])
    assert columns != sorted(columns)
    if kind == 'single_stage':
        said = [torch.cat([level.permute(0, 2, 3, 1).reshape(2, -1, 80) for level in said], dim=1).flatten(0, 1)]
    gathered = torch.cat(said)[:, columns]
    ((student, teacher_rows),) = heard
    assert torch.equal(teacher_rows, gathered)
    loss = LumiNetLoss(tau=1.0, loss_weight=4.0, use_sigmoid=kind == 'single_stage')
    assert losses['loss_luminet'].item() == pytest.approx(loss(student, gathered).item(), rel=1e-5)


@pytest.fixture(scope='session')
def named_data(tmp_path_factory):
    """The tiny dataset, with its categories named like the student's classes."""
    root = tiny.write_coco(tmp_path_factory.mktemp('named'), num_classes=20)
    path = root / 'annotations.json'
    content = json.loads(path.read_text())
    for category, name in zip(content['categories'], NAMES, strict=True):
        category['name'] = name
    path.write_text(json.dumps(content))
    return root


def test_a_run_matches_them_by_name_and_resumes(tmp_path, coco_teachers, named_data, kind):
    settings = {'train_dataloader.dataset.metainfo.classes': NAMES}
    config = runs.tiny_config(
        tmp_path / 'mapped.py',
        named_data,
        distilling(kind, coco_teachers[kind]),
        num_classes=20,
        val=False,
        max_iters=3,
        checkpoint_interval=2,
        **settings,
    )
    folder = tmp_path / 'work'
    finished = runs.run(train.main, [config, '--work-dir', folder], tmp_path)
    assert finished.code == 0, finished.text
    assert '20 gathered by name' in finished.text
    whole = runs.scalars(folder, 'loss_luminet')
    assert all(0 < loss < 1e3 for loss in whole.values())
    resumed = runs.run(train.main, [config, '--work-dir', tmp_path / 'w', '--resume', folder / 'iter_2.pth'], tmp_path)
    assert resumed.code == 0, resumed.text
    assert runs.scalars(tmp_path / 'w', 'loss_luminet') == {3: whole[3]}
