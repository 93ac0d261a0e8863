"""ResultHook: the best and the last epoch with a score, the history of a resumed run, and the test at the end."""

import json
from types import SimpleNamespace

import pytest
import torch
from mmdet.datasets.samplers import AspectRatioBatchSampler
from mmengine.config import ConfigDict
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.runner import FlexibleRunner
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from luminet_det.classification.classifier import Classifier
from luminet_det.hooks.result import ResultHook, _is_trained_on, _tests_elsewhere
from luminet_det.registry import DATASETS


@pytest.fixture
def finished(tmp_path, monkeypatch):
    monkeypatch.setattr(ResultHook, '_describe', lambda hook, runner: {})
    logger = SimpleNamespace(info=lambda text: None, warning=print)
    loader = SimpleNamespace(dataset=None)
    loop = SimpleNamespace(dataloader=loader)
    runner = SimpleNamespace(work_dir=str(tmp_path), logger=logger, val_loop=loop, _test_loop=None, cfg={})

    def finish(*scores):
        hook = ResultHook(metric='coco/bbox_mAP')
        hook._began = 0.0
        hook._history = [dict(epoch=i, iteration=10 * i) | of for i, of in enumerate(scores, start=1)]
        hook.after_train(runner)
        return json.loads((tmp_path / 'result.json').read_text())['metrics']

    return finish


@pytest.fixture
def runner(tmp_path):
    """A runner that is about to train."""
    info = {}
    hub = SimpleNamespace(get_info=info.get, update_info=info.__setitem__)
    settings = dict(val_loop=None, _test_loop=None, cfg={})
    return SimpleNamespace(work_dir=str(tmp_path), message_hub=hub, epoch=0, iter=0, **settings)


def test_a_validation_without_a_detection_has_no_score_and_does_not_end_the_run(finished):
    found = finished({}, {'coco/bbox_mAP': 0.2}, {'coco/bbox_mAP': 0.1}, {})
    assert (found['best']['epoch'], found['last']['epoch']) == (2, 3)


def test_a_new_run_does_not_take_up_what_another_has_left_in_its_folder(runner, tmp_path):
    (tmp_path / 'history.json').write_text(json.dumps([dict(epoch=1, iteration=391) | {'accuracy/top1': 90.0}]))
    ResultHook(metric='accuracy/top1').before_train(runner)
    # The new run is stopped before its first validation, and resumed.
    runner.iter = 500
    resumed = ResultHook(metric='accuracy/top1')
    resumed.before_train(runner)
    assert resumed._history == []


def test_a_resumed_run_forgets_what_was_measured_after_its_checkpoint(runner, tmp_path):
    history = [{'epoch': epoch, 'iteration': 10 * epoch, 'accuracy/top1': 40.0} for epoch in (1, 2)]
    (tmp_path / 'history.json').write_text(json.dumps(history))
    runner.iter = 10
    resumed = ResultHook(metric='accuracy/top1')
    resumed.before_train(runner)
    assert resumed._history == history[:1]


def test_a_validation_that_is_made_again_replaces_the_one_before(runner):
    hook = ResultHook(metric='accuracy/top1')
    hook.before_train(runner)
    runner.epoch, runner.iter = 1, 10
    for score in (40.0, 50.0):
        hook.after_val_epoch(runner, {'accuracy/top1': score})
    assert hook._history == [{'epoch': 1, 'iteration': 10, 'accuracy/top1': 50.0}]


def weights_in_tests(folder, model, in_test, *hooks):
    """The weight of `in_test` during each test of a run whose best checkpoint holds a 7, and after the tests."""
    best = {'weight': torch.full((1, 1), 7.0), 'bias': torch.zeros(1)}
    torch.save(dict(state_dict=best), folder / 'best.pth')
    saver = CheckpointHook()
    saver.best_ckpt_path = str(folder / 'best.pth')
    loop = SimpleNamespace(run=in_test.weight.item)
    runner = SimpleNamespace(model=model, hooks=[saver, *hooks], _test_loop=loop)
    return ResultHook._test(runner), in_test.weight.item()


def test_best_and_last_weights_are_tested_and_the_last_are_back_after_that(tmp_path):
    model = torch.nn.Linear(1, 1)
    last = model.weight.item()
    assert weights_in_tests(tmp_path, model, model) == (dict(best=7.0, last=last), last)


def test_so_they_are_in_the_average_that_is_swapped_in_before_a_test(tmp_path):
    model, average, ema = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), EMAHook()
    ema.ema_model = SimpleNamespace(module=average)
    last = average.weight.item()
    assert weights_in_tests(tmp_path, model, average, ema) == (dict(best=7.0, last=last), last)


def test_a_sharded_run_that_could_not_test_its_best_weights_is_refused_before_it_trains(tmp_path):
    runner = FlexibleRunner.__new__(FlexibleRunner)
    hook = ResultHook(metric='accuracy/top1')
    hook.test = True  # as --val-split sets it
    with pytest.raises(ValueError, match='Remove --fsdp or --val-split'):
        hook.before_train(runner)


def test_a_run_in_which_nothing_was_measured_ends_without_a_file(finished, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r'result\.json'):
        finished({}, {})
    assert 'No validation has measured coco/bbox_mAP' in capsys.readouterr().out


def test_a_metric_that_is_not_measured_is_named_after_the_first_validation_with_those_that_are():
    hook = ResultHook(metric='coco/bbox_map')
    hook._training = True
    with pytest.raises(ValueError, match=r"metric='coco/bbox_map' is not measured; choose one of coco/bbox_mAP"):
        hook.after_val_epoch(SimpleNamespace(epoch=1, iter=10), {'coco/bbox_mAP': 0.2, 'time': 1.0})


@pytest.mark.parametrize('grouped', [False, True])
def test_the_images_of_a_step_are_told_whoever_groups_them(grouped):
    images = [dict(width=4, height=3)] * 6
    grouping = (
        dict(batch_sampler=AspectRatioBatchSampler(SequentialSampler(images), 2)) if grouped else dict(batch_size=2)
    )
    loader = DataLoader(images, **grouping)
    described = SimpleNamespace(
        train_dataloader=loader, cfg=SimpleNamespace(filename='a.py'), max_epochs=1, max_iters=3, seed=0
    )
    assert ResultHook(metric='coco/bbox_mAP')._describe(described)['batch_size'] == 2


@DATASETS.register_module()
class OfOnesOwn(Dataset):
    """A custom dataset, not a `LabelledImages`: it has neither splits nor parts."""


@pytest.mark.parametrize(
    ('kind', 'train', 'test', 'elsewhere', 'trained_on'),
    [
        ('luminet_det.OfOnesOwn', dict(seed=0), dict(seed=2), True, False),
        ('luminet_det.OfOnesOwn', dict(seed=1), dict(seed=1), False, True),
        ('luminet_det.CIFAR100', dict(split='train'), dict(split='test'), True, False),
        ('luminet_det.CIFAR100', dict(split='val', transforms=[]), dict(split='val', resize=3), False, True),
    ],
)
def test_data_sets_of_ones_own_are_the_same_where_all_their_settings_are(kind, train, test, elsewhere, trained_on):
    own = dict(seed=1) if kind.endswith('Own') else dict(split='val')
    each = dict(train=train, val=own, test=test)
    cfg = {f'{part}_dataloader': dict(dataset=dict(settings, type=kind)) for part, settings in each.items()}
    model = Classifier(ConfigDict(type='luminet_det.resnet8', num_classes=3))
    runner = SimpleNamespace(cfg=cfg, model=model, _test_loop=object())
    assert (_tests_elsewhere(runner), _is_trained_on(runner, 'val')) == (elsewhere, trained_on)
