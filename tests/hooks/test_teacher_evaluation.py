"""TeacherEvaluationHook: the teacher's score is in the log before the first step, on the student's classes."""

import re

import torch
from mmengine.config import Config

from tests import pairs, runs, tiny
from tools import test, train

WIDE = tiny.faster_rcnn(base_channels=16)


def logged_ap(folder, data, model):
    config = runs.tiny_config(folder / 'c.py', data, model, max_iters=1)
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')]
    finished = runs.run(train.main, [runs.config_file(config, cfg), '--work-dir', folder / 'work'], folder)
    assert finished.code == 0, finished.text
    before_training = finished.text.partition('Iter(train)')[0]
    found = re.findall(r'Teacher .* on the validation set: coco/bbox_mAP ([\d.]+)', before_training)
    return [float(ap) for ap in found], finished.text


def test_it_is_what_the_teacher_scores_alone_whatever_the_order_of_its_classes(tmp_path, data):
    config = runs.tiny_config(tmp_path / 'teacher.py', data, WIDE, max_iters=80)
    runs.run(train.main, [config, '--work-dir', tmp_path / 'teacher'], tmp_path)
    weights = tmp_path / 'teacher' / 'iter_80.pth'
    tested = runs.run(test.main, [config, weights, '--work-dir', tmp_path / 'test'], tmp_path)
    alone = float(re.findall(r'coco/bbox_mAP: ([\d.]+)', tested.text)[-1])

    saved = torch.load(weights)
    state, order, head = saved['state_dict'], [2, 0, 1], 'roi_head.bbox_head.'
    for kind in ('weight', 'bias'):
        state[f'{head}fc_cls.{kind}'] = state[f'{head}fc_cls.{kind}'][[*order, 3]]
        state[f'{head}fc_reg.{kind}'] = state[f'{head}fc_reg.{kind}'].unflatten(0, (3, 4))[order].flatten(0, 1)
    saved['meta']['dataset_meta']['classes'] = tuple(tiny.classes()[i] for i in order)
    torch.save(dict(meta=saved['meta'], state_dict=state), tmp_path / 'permuted.pth')

    teachers = [dict(config=WIDE, checkpoint=str(path)) for path in (weights, tmp_path / 'permuted.pth')]
    found, _ = logged_ap(tmp_path / 'run', data, pairs.distilling(tiny.faster_rcnn(), teachers))
    assert alone > 0
    assert found == [alone, alone]


def test_without_a_teacher_it_says_so(tmp_path, data):
    found, text = logged_ap(tmp_path, data, tiny.faster_rcnn())
    assert found == []
    assert 'no teacher to evaluate' in text


def test_a_teacher_in_half_precision_is_evaluated_too(tmp_path, data, teacher):
    found, _ = logged_ap(tmp_path, data, pairs.distilling(tiny.faster_rcnn(), dict(teacher, dtype='bf16')))
    assert len(found) == 1


def test_without_a_validation_set_it_says_so(tmp_path, data, teacher):
    config = runs.tiny_config(tmp_path / 'c.py', data, pairs.distilling(tiny.faster_rcnn(), teacher), val=False)
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='luminet_det.TeacherEvaluationHook')]
    finished = runs.run(train.main, [runs.config_file(config, cfg), '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 0, finished.text
    assert 'no val_dataloader' in finished.text
