"""The names of scores are known before anything is measured, and choosing an epoch by another name is refused."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from mmdet.evaluation import CocoMetric, VOCMetric
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from luminet_det import measured
from tests import runs, tiny
from tools import train

CLASSES = ('cat', 'dog')


def box(values):
    return torch.tensor([values], dtype=torch.float32)


def scores(metric, classes=CLASSES):
    """The scores of a metric for one image on which everything was found."""
    metric.dataset_meta = dict(classes=classes)
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


def test_coco_scores_of_each_class_are_told_where_a_file_names_the_classes(tmp_path):
    metric = CocoMetric(ann_file=str(tiny.write_coco(tmp_path) / 'annotations.json'), classwise=True)
    told = measured.names(metric)
    assert list(scores(metric, tiny.classes())) == told
    assert f'coco/{tiny.classes()[0]}_precision' in told
    assert measured.names(CocoMetric(classwise=True)) is None


@pytest.mark.parametrize('setting', [dict(), dict(iou_thrs=[0.5, 0.75]), dict(metric='recall', iou_thrs=[0.5, 0.75])])
def test_voc_scores_have_the_names_that_were_told(setting):
    metric = VOCMetric(**setting)
    told = measured.names(metric)
    assert list(scores(metric)) == told


def unmeasured(best, *metrics, evaluator=Evaluator, **cfg):
    hook = dict(type=CheckpointHook, save_best=best)
    return measured.unmeasured(dict(default_hooks=dict(checkpoint=hook), **cfg), evaluator(list(metrics)))


@pytest.mark.parametrize('best', ['auto', 'coco/bbox_mAP_50', ['coco/bbox_mAP', 'coco/bbox_mAP_s'], None])
def test_what_is_measured_may_be_chosen_by(best):
    assert unmeasured(best, CocoMetric()) is None


class Mine(CocoMetric):
    """A user's own metric, of which it is not known what it measures."""

    names = ('anything',)


class Prefixing(Evaluator):
    """An evaluator that may rename scores, as mmdet's MultiDatasetsEvaluator does."""


def test_names_of_other_metrics_evaluators_and_loops_are_not_judged(tmp_path):
    assert unmeasured('b', CocoMetric()) is not None
    assert unmeasured('b', CocoMetric(), val_cfg=dict(type='ValLoop')) is not None
    assert unmeasured('b', CocoMetric(), Mine()) is None
    assert unmeasured('b', CocoMetric(), evaluator=Prefixing) is None
    assert unmeasured('teacher/coco/bbox_mAP', CocoMetric(), val_cfg=dict(type='mmdet.TeacherStudentValLoop')) is None
    # mmengine saves no best checkpoint if nothing is measured.
    assert unmeasured('b', CocoMetric(format_only=True, outfile_prefix=str(tmp_path))) is None


def test_an_evaluator_that_is_built_in_place_is_known_as_the_one_that_validates():
    register_all_modules(init_default_scope=True)
    hook = dict(type='CheckpointHook', save_best='b')
    cfg = Config(dict(val_evaluator=dict(metrics=dict(type='CocoMetric')), default_hooks=dict(checkpoint=hook)))
    runner = SimpleNamespace(cfg=cfg, build_evaluator=partial(Runner.build_evaluator, None))
    measured.guard(runner)
    with pytest.raises(ValueError, match=r"default_hooks\.checkpoint\.save_best: 'b' is not measured"):
        runner.build_evaluator(cfg.val_evaluator.to_dict())


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


@pytest.mark.parametrize(
    ('changes', 'place'),
    [
        (dict(default_hooks=dict(checkpoint=dict(save_best='coco/bbox_mAQ'))), 'default_hooks.checkpoint.save_best'),
        (dict(custom_hooks=[dict(type='EarlyStoppingHook', monitor='quality')]), 'custom_hooks.0.monitor'),
    ],
    ids=['best', 'end'],
)
def test_a_name_that_says_nothing_of_better_and_worse_is_named_with_its_place(tmp_path, changes, place):
    config = runs.tiny_config(tmp_path / 'config.py', tiny.write_coco(tmp_path / 'data'), **changes)
    finished = runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 1
    assert f'It is set in {place}: spell it as in the log' in finished.last_line
