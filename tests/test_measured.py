"""What is measured is known before it is: the names are those of the scores, and a choice by others is refused."""

import pytest
import torch
from mmdet.evaluation import CocoMetric, VOCMetric

from luminet_det import measured
from tests import runs, tiny
from tools import train

CLASSES = ('cat', 'dog')


def box(values):
    return torch.tensor([values], dtype=torch.float32)


def scores(metric):
    """What a metric makes of one image on which all was found."""
    metric.dataset_meta = dict(classes=CLASSES)
    found = dict(bboxes=box([2, 2, 20, 20]), scores=torch.ones(1), labels=torch.zeros(1, dtype=torch.long))
    truth = dict(bbox=[2, 2, 20, 20], bbox_label=0, ignore_flag=0)
    gt = dict(bboxes=box([2, 2, 20, 20]), labels=torch.zeros(1, dtype=torch.long))
    sample = dict(pred_instances=found, instances=[truth], img_id=0, ori_shape=(32, 32))
    sample |= dict(gt_instances=gt, ignored_instances=dict(bboxes=torch.zeros(0, 4), labels=torch.zeros(0)))
    metric.process({}, [sample])
    return metric.evaluate(1)


SETTINGS = {
    'boxes': dict(),
    'boxes and proposals': dict(metric=['bbox', 'proposal']),
    'fast recall': dict(metric='proposal_fast', proposal_nums=(10, 100)),
    'some items': dict(metric_items=['mAP', 'AR@100']),
    'named otherwise': dict(prefix='mine'),
}


@pytest.mark.parametrize('setting', SETTINGS.values(), ids=SETTINGS)
def test_coco_scores_have_the_names_that_were_told(setting):
    metric = CocoMetric(**setting)
    told = measured.names(metric)
    assert list(scores(metric)) == told


def test_coco_scores_of_each_class_are_told_with_the_annotation_file(tmp_path):
    file = tiny.write_coco(tmp_path) / 'annotations.json'
    told = measured.names(CocoMetric(ann_file=str(file), classwise=True))
    assert [f'coco/{name}_precision' for name in tiny.classes()] == told[6:]


@pytest.mark.parametrize('setting', [dict(), dict(iou_thrs=[0.5, 0.75]), dict(metric='recall', iou_thrs=[0.5, 0.75])])
def test_voc_scores_have_the_names_that_were_told(setting):
    metric = VOCMetric(**setting)
    told = measured.names(metric)
    assert list(scores(metric)) == told


def test_a_metric_of_ones_own_is_not_judged():
    class Mine(CocoMetric):
        pass

    cfg = dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='coco/whatever')))
    assert measured.unmeasured(cfg, [CocoMetric()]) is not None
    assert measured.unmeasured(cfg, [CocoMetric(), Mine()]) is None


@pytest.mark.parametrize('best', ['auto', 'coco/bbox_mAP_50', ['coco/bbox_mAP', 'coco/bbox_mAP_s'], None])
def test_what_is_measured_may_be_chosen_by(best):
    cfg = dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best=best)))
    assert measured.unmeasured(cfg, [CocoMetric()]) is None


HOOKS = {
    'best': (
        dict(default_hooks=dict(checkpoint=dict(save_best='coco/bbox_map'))),
        "default_hooks.checkpoint.save_best: 'coco/bbox_map' is not measured, only coco/bbox_mAP,",
    ),
    'end': (
        dict(custom_hooks=[dict(type='EarlyStoppingHook', monitor='bbox_mAP')]),
        "custom_hooks.0.monitor: 'bbox_mAP' is not measured, only coco/bbox_mAP,",
    ),
}


@pytest.mark.parametrize(('changes', 'words'), HOOKS.values(), ids=HOOKS)
def test_a_run_that_could_not_choose_is_refused_before_its_first_step(tmp_path, changes, words):
    config = runs.tiny_config(tmp_path / 'config.py', tiny.write_coco(tmp_path / 'data'), **changes)
    finished = runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 1
    assert words in finished.last_line
    assert finished.last_line.endswith('Did you mean coco/bbox_mAP? Change it, or val_evaluator.')
    assert not list((tmp_path / 'work').glob('*.pth'))
