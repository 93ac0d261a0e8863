"""Whole runs of classifiers with tools/train.py: results, resuming, training modes, and settings that are refused."""

import json
import os
import re
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS
from torch.utils.data import SequentialSampler
from torchvision import datasets

from luminet_det.compat import checkpoints
from tests import runs
from tests.classification import small
from tests.classification.data import written
from tools import test as test_tool
from tools import train


@HOOKS.register_module()
class ValidationKill(Hook):
    """Kill this process as the validation after an epoch begins, unless the run has been resumed."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_val_epoch(self, runner):
        if runner.epoch == self.epoch and not runner._resume:
            os.kill(os.getpid(), signal.SIGKILL)


@DATA_SAMPLERS.register_module()
class FirstImageLast(SequentialSampler):
    """The images in the dataset's order, except that the first comes last."""

    def __init__(self, dataset, seed):
        super().__init__(range(1, len(dataset) + 1))

    def __iter__(self):
        return (i % len(self) for i in self.data_source)


def trained(folder, model, *argv, epochs=2, **changes):
    path = small.runner_config(folder, model, epochs, **changes)
    return runs.run(train.main, [path, '--work-dir', folder / 'work', *argv], folder)


def result(folder):
    return json.loads((folder / 'work' / 'result.json').read_text())


def weights(folder, name='epoch_2.pth'):
    return checkpoints.load(folder / 'work' / name)['state_dict']


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('teacher') / 'teacher.pth')


@pytest.fixture(scope='module')
def whole(tmp_path_factory, teacher):
    """Folder and output of an uninterrupted distilling run."""
    folder = tmp_path_factory.mktemp('whole')
    finished = trained(folder, small.distilling(teacher))
    assert finished.code == 0, finished.text
    return folder, finished


def test_best_and_last_epoch_are_reported_and_written(whole):
    folder, finished = whole
    found = result(folder)
    assert [epoch['epoch'] for epoch in found['history']] == [1, 2]
    assert found['metrics']['last'] == found['history'][-1]
    top = max(epoch['accuracy/top1'] for epoch in found['history'])
    assert found['metrics']['best']['accuracy/top1'] == top
    assert re.search(rf'best epoch \d on the test images: accuracy/top1 {top:.2f}, accuracy/top5', finished.text)
    assert (found['train_images'], found['epochs'], found['batch_size'], found['seed']) == (24, 2, 8, 0)
    assert (found['dataset'], found['selected_on'], found['test']) == ('CIFAR-100', 'test', None)


def test_the_teacher_terms_and_classes_are_announced(whole):
    text = whole[1].text
    assert 'classes  matched by position' in text
    assert 'term     loss_luminet: logits LumiNetLoss' in text


def test_the_checkpoint_is_the_students_and_tests_alike(whole):
    folder, _ = whole
    plain = small.runner_config(folder / 'plain', small.setting())
    small.build(small.setting()).load_state_dict(weights(folder), strict=True)
    finished = runs.run(test_tool.main, [plain, folder / 'work' / 'epoch_2.pth', '--work-dir', folder / 'test'], folder)
    assert finished.code == 0, finished.text
    assert f'accuracy/top1: {result(folder)["metrics"]["last"]["accuracy/top1"]:.4f}' in finished.text


@pytest.mark.parametrize('iteration', [1, 4])
def test_a_killed_run_resumes_exactly(whole, teacher, tmp_path, iteration):
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=iteration)
    changes = {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.killer': hook}
    model = small.distilling(teacher)
    killed = trained(tmp_path, model, **changes)
    assert killed.code == -signal.SIGKILL
    changes['default_hooks.killer'] = dict(hook, iteration=-1)
    assert trained(tmp_path, model, '--resume', **changes).code == 0
    for (name, mine), theirs in zip(weights(tmp_path, 'iter_6.pth').items(), weights(whole[0]).values(), strict=True):
        assert torch.equal(mine, theirs), name
    for scalar in ('loss_ce', 'loss_luminet'):
        assert runs.scalars(tmp_path / 'work', scalar) == runs.scalars(whole[0] / 'work', scalar)
    assert result(tmp_path)['history'] == result(whole[0])['history']


@pytest.mark.slow
@pytest.mark.parametrize(
    ('argv', 'changes'),
    [
        (['--amp'], {}),
        ([], {'custom_hooks': [dict(type='luminet_det.ResultHook'), dict(type='EMAHook', momentum=0.5)]}),
        ([], {'model.compile': dict(backend='aot_eager')}),
        ([], {'train_dataloader.dataset.device_resident': False, 'train_dataloader.num_workers': 2}),
    ],
    ids=['amp', 'ema', 'compiled', 'loader processes'],
)
def test_a_killed_run_of_each_mode_resumes_exactly(teacher, tmp_path, argv, changes):
    model = small.distilling(teacher)
    assert trained(tmp_path / 'whole', model, *argv, **changes).code == 0
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=4)
    changes = changes | {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.killer': hook}
    assert trained(tmp_path, model, *argv, **changes).code == -signal.SIGKILL
    changes['default_hooks.killer'] = dict(hook, iteration=-1)
    finished = trained(tmp_path, model, '--resume', *argv, **changes)
    assert finished.code == 0, finished.text
    theirs = weights(tmp_path / 'whole')
    assert all(torch.equal(mine, theirs[name]) for name, mine in weights(tmp_path, 'iter_6.pth').items())
    for scalar in ('loss_ce', 'loss_luminet'):
        assert runs.scalars(tmp_path / 'work', scalar) == runs.scalars(tmp_path / 'whole' / 'work', scalar)


@pytest.mark.slow
@pytest.mark.parametrize(
    'options',
    [
        True,
        pytest.param(dict(mode='reduce-overhead'), marks=pytest.mark.gpu),
    ],
    ids=['compiled', 'captured'],
)
def test_a_compiled_run_has_the_losses_of_an_eager_one(teacher, tmp_path, options):
    found = []
    for name, value in (('eager', False), ('compiled', options)):
        finished = trained(tmp_path / name, small.distilling(teacher), **{'model.compile': value})
        assert finished.code == 0, finished.text
        found.append([runs.scalars(tmp_path / name / 'work', scalar) for scalar in ('loss_ce', 'loss_luminet')])
    for eager, compiled in zip(*found, strict=True):
        assert compiled == pytest.approx(eager, rel=1e-3)


def test_losses_read_once_a_log_line_are_those_read_in_every_step(whole, teacher, tmp_path):
    every = {'default_hooks.runtime_info.type': 'RuntimeInfoHook', 'default_hooks.logger.interval': 2}
    assert trained(tmp_path / 'each', small.distilling(teacher), **every).code == 0
    deferred = {'default_hooks.logger.interval': 2}
    assert trained(tmp_path / 'deferred', small.distilling(teacher), **deferred).code == 0
    for scalar in ('loss', 'loss_luminet', 'top1', 'agreement'):
        found = runs.scalars(tmp_path / 'deferred' / 'work', scalar)
        assert found == runs.scalars(tmp_path / 'each' / 'work', scalar)
        assert found


def score_of(folder, checkpoint):
    path = small.runner_config(folder / 'plain', small.setting())
    finished = runs.run(test_tool.main, [path, checkpoint, '--work-dir', folder / 'test'], folder)
    assert finished.code == 0, finished.text
    return float(re.search(r'accuracy/top1: ([\d.]+)', finished.text)[1])


@pytest.mark.parametrize('hooks', [(), (dict(type='EMAHook', momentum=0.5),)], ids=['plain', 'ema'])
def test_a_held_out_part_chooses_the_epoch_and_the_test_set_is_looked_at_after_training(teacher, tmp_path, hooks):
    hooks = [dict(type='luminet_det.ResultHook'), *hooks]
    finished = trained(tmp_path, small.distilling(teacher), '--val-split', '0.34', custom_hooks=hooks, epochs=4)
    assert finished.code == 0, finished.text
    found = result(tmp_path)
    (best,) = (tmp_path / 'work').glob('best_*.pth')
    assert score_of(tmp_path, best) == pytest.approx(found['test']['best']['accuracy/top1'], abs=1e-3)
    assert score_of(tmp_path, tmp_path / 'work' / 'epoch_4.pth') == pytest.approx(
        found['test']['last']['accuracy/top1'], abs=1e-3
    )
    assert found['train_images'] == 16
    assert found['selected_on'] == 'held-out part of the training set'
    assert set(found['test']) == {'best', 'last'}
    assert 'best on the test set: accuracy/top1' in finished.text


def test_a_resume_that_would_choose_by_other_images_is_refused(teacher, tmp_path):
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=3)
    model = small.distilling(teacher)
    killed = trained(tmp_path, model, '--val-split', '0.34', **{'default_hooks.killer': hook})
    assert killed.code == -signal.SIGKILL
    resumed = trained(tmp_path, model, '--resume')
    assert resumed.code == 1
    assert 'use the same --val-split' in resumed.text
    assert 'train_dataloader.dataset.val_fraction: 0.34 -> not there' in resumed.text
    resumed = trained(tmp_path, model, '--val-split', '0.67', '--resume')
    assert resumed.code == 1
    assert (
        'by the held-out part of the training set, val_fraction=0.34, this one would choose it by the' in resumed.text
    )
    assert trained(tmp_path, model, '--val-split', '0.34', '--resume').code == 0


def test_another_split_that_chooses_is_named_and_the_test_set_is_looked_at_after_training(teacher, tmp_path):
    finished = trained(tmp_path, small.distilling(teacher), **{'val_dataloader.dataset.split': 'train'})
    assert finished.code == 0, finished.text
    found = result(tmp_path)
    assert found['selected_on'] == 'train'
    assert score_of(tmp_path, tmp_path / 'work' / 'epoch_2.pth') == pytest.approx(
        found['test']['last']['accuracy/top1'], abs=1e-3
    )
    assert re.search(r'best epoch \d on the train images: ', finished.text)


def test_a_val_split_without_a_test_set_is_refused_before_training(teacher, tmp_path):
    path = small.runner_config(tmp_path, small.distilling(teacher))
    cfg = train.config.Config.fromfile(path)
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg'):
        cfg.pop(key)
    cfg.dump(path)
    finished = runs.run(train.main, [path, '--work-dir', tmp_path / 'work', '--val-split', '0.34'], tmp_path)
    assert finished.code == 2
    assert 'needs val_dataloader and test_dataloader' in finished.last_line


def test_held_out_images_are_treated_as_those_of_validation(teacher, tmp_path):
    model = small.distilling(teacher)
    changes = {'train_dataloader.dataset.resize': 48, 'val_dataloader.dataset.resize': 32}
    changes['train_dataloader.dataset.on_error'] = 'skip'
    assert trained(tmp_path, model, '--val-split', '0.34', **changes).code == 0
    cfg = train.config.Config.fromfile(next((tmp_path / 'work').glob('small.py')))
    learned, held_out = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    assert (learned.resize, held_out.resize) == (48, 32)
    assert held_out.on_error == 'skip', 'they are files of the training set'


def test_a_val_split_whose_test_is_on_the_same_images_is_refused(teacher, tmp_path):
    finished = trained(
        tmp_path, small.distilling(teacher), '--val-split', '0.34', **{'test_dataloader.dataset.split': 'train'}
    )
    assert finished.code == 2
    assert 'would test on all of these: set test_dataloader.dataset.split' in finished.last_line
    assert 'val_fraction=0.34' in finished.last_line


@pytest.mark.parametrize('split', ['train', 'test'])
def test_a_validation_on_the_images_of_training_is_warned_of(teacher, tmp_path, split):
    changes = {f'{place}_dataloader.dataset.split': split for place in ('val', 'test')}
    finished = trained(tmp_path, small.distilling(teacher), epochs=1, **changes)
    assert finished.code == 0, finished.text
    assert ('val_dataloader reads the training images' in finished.text) == (split == 'train')


@pytest.mark.parametrize('share', ['0', '1.5'])
def test_a_val_split_that_is_no_share_is_refused(teacher, tmp_path, share):
    finished = trained(tmp_path, small.distilling(teacher), '--val-split', share)
    assert f'--val-split {share} is not a share of the training set' in finished.last_line


def test_a_teacher_below_the_stated_accuracy_stops_the_run_before_it_starts(teacher, tmp_path):
    hooks = [dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 99.0})]
    finished = trained(tmp_path, small.distilling(teacher), custom_hooks=hooks)
    assert finished.code == 1
    assert re.search(r'reaches accuracy/top1 [\d.]+ on the validation set, below the 99', finished.last_line)
    assert not list((tmp_path / 'work').glob('*.pth'))


def test_a_minimum_that_nothing_can_show_stops_the_run_before_it_starts(teacher, tmp_path):
    hooks = [dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 1.0})]
    unvalidated = {f'{part}_{what}': None for part in ('val', 'test') for what in ('dataloader', 'evaluator', 'cfg')}
    finished = trained(tmp_path, small.distilling(teacher), custom_hooks=hooks, **unvalidated)
    assert finished.code == 1
    assert 'no val_dataloader. Add one, or remove minimum' in finished.last_line


@pytest.mark.parametrize('bias', [1.0, 0.0], ids=['one class for all', 'the same logit for every class'])
def test_a_teacher_that_guesses_is_warned_of(teacher, tmp_path, bias):
    saved = torch.load(teacher['checkpoint'])
    saved['state_dict'] |= {'network.fc.weight': torch.zeros(4, 12), 'network.fc.bias': torch.zeros(4)}
    # Where logits tie, the first class is predicted, here for every image.
    saved['state_dict']['network.fc.bias'][0] = bias
    torch.save(saved, tmp_path / 'teacher.pth')
    model = small.distilling(dict(teacher, checkpoint=str(tmp_path / 'teacher.pth')))
    finished = trained(tmp_path, model, epochs=1, custom_hooks=[dict(type='luminet_det.TeacherEvaluationHook')])
    assert finished.code == 0, finished.text
    assert 'accuracy/top1 25.000: a student has nothing to learn from it' in finished.text


def test_a_good_teachers_accuracy_is_logged_beside_the_students(teacher, tmp_path):
    hooks = [dict(type='luminet_det.TeacherEvaluationHook', minimum={'accuracy/top1': 0.0})]
    finished = trained(tmp_path, small.distilling(teacher), custom_hooks=hooks)
    assert finished.code == 0, finished.text
    assert re.search(r'Teacher luminet_det.Classifier on the validation set: accuracy/top1', finished.text)
    assert re.search(r'student accuracy/top1 [\d.]+, teacher [\d.]+, gap ', finished.text)


def test_a_minimum_of_a_metric_that_is_not_measured_names_the_known_ones(teacher, tmp_path):
    hooks = [dict(type='luminet_det.TeacherEvaluationHook', minimum={'top1': 1.0})]
    finished = trained(tmp_path, small.distilling(teacher), custom_hooks=hooks)
    assert "names 'top1', which was not measured" in finished.last_line
    assert 'accuracy/top1' in finished.last_line


@pytest.mark.parametrize('distils', [False, True])
def test_a_network_of_another_number_of_classes_names_the_setting(teacher, tmp_path, distils):
    config = small.distilling(teacher, num_classes=3) if distils else small.setting(num_classes=3)
    finished = trained(tmp_path, config)
    assert finished.code == 1
    assert 'Set model.network.num_classes=4' in finished.text


@pytest.mark.parametrize(
    'changes',
    [
        {'custom_hooks': [dict(type='EMAHook')]},
        {'model.channels_last': True},
        {'model.compile': dict(backend='aot_eager')},
        {'train_dataloader.dataset.device_resident': False},
        {'train_dataloader.dataset.device_resident': False, 'train_dataloader.num_workers': 2},
        {'train_dataloader.batch_size': 1},
        {'optim_wrapper.optimizer': dict(type='AdamW', lr=0.001, _delete_=True)},
        {'param_scheduler': dict(type='CosineAnnealingLR', by_epoch=True, T_max=2, convert_to_iter_based=True)},
    ],
    ids=lambda changes: ' '.join(f'{key.rpartition(".")[2]}' for key in changes),
)
def test_the_modes_of_training_run_to_their_end(teacher, tmp_path, changes):
    path = small.runner_config(tmp_path, small.distilling(teacher))
    cfg = train.config.Config.fromfile(path)
    if 'optim_wrapper.optimizer' in changes:
        cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=0.001)
    elif 'param_scheduler' in changes:
        cfg.param_scheduler = changes['param_scheduler']
    else:
        cfg.merge_from_dict(changes)
    cfg.dump(path)
    finished = runs.run(train.main, [path, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 0, finished.text
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())
    assert runs.scalars(tmp_path / 'work', 'loss_luminet')


def test_a_run_by_iterations_counts_them(teacher, tmp_path):
    path = small.runner_config(tmp_path, small.distilling(teacher))
    cfg = train.config.Config.fromfile(path)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_interval=2)
    cfg.param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[2], gamma=0.1)
    cfg.train_dataloader.sampler.type = 'InfiniteSampler'
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=2, save_best='accuracy/top1')
    cfg.default_hooks.logger.log_metric_by_epoch = False
    cfg.log_processor.by_epoch = False
    cfg.dump(path)
    finished = runs.run(train.main, [path, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 0, finished.text
    assert [entry['iteration'] for entry in result(tmp_path)['history']] == [2, 4]


def test_mixed_precision_runs(teacher, tmp_path):
    finished = trained(tmp_path, small.distilling(teacher), '--amp')
    assert finished.code == 0, finished.text
    assert runs.scalars(tmp_path / 'work', 'loss_luminet')


def test_it_trains_alike_on_the_official_pickles_and_on_the_npz(teacher, tmp_path, monkeypatch):
    (tmp_path / 'official').mkdir()
    written.pickles(tmp_path / 'official', datasets.CIFAR100, monkeypatch)
    found = []
    for name in ('npz', 'official'):
        path = small.runner_config(tmp_path / name, small.distilling(teacher))
        if name == 'official':
            cfg = train.config.Config.fromfile(path)
            for loader in (cfg.train_dataloader, cfg.val_dataloader):
                loader.dataset.data_root = str(tmp_path / name)
            cfg.dump(path)
        finished = runs.run(train.main, [path, '--work-dir', tmp_path / name / 'work'], tmp_path)
        assert finished.code == 0, finished.text
        found.append(weights(tmp_path / name))
    assert all(torch.equal(mine, found[1][name]) for name, mine in found[0].items())


def test_a_run_of_one_epoch_may_warm_up_in_epochs(teacher, tmp_path):
    term = dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss'), warmup='2 epochs')
    finished = trained(tmp_path, small.distilling(teacher, term), epochs=1)
    assert finished.code == 0, finished.text


def test_the_message_hub_keeps_no_more_than_it_is_told(teacher, tmp_path):
    finished = trained(tmp_path, small.distilling(teacher), **{'default_hooks.runtime_info.history': 2})
    assert finished.code == 0, finished.text
    hub = checkpoints.load(tmp_path / 'work' / 'epoch_2.pth')['message_hub']
    assert len(hub['log_scalars']['train/loss_luminet'].data[0]) == 2
    assert list(runs.scalars(tmp_path / 'work', 'loss_luminet')) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize('container', ['model', 'state_dict'])
def test_a_checkpoint_of_another_project_is_tested_as_it_is(whole, tmp_path, container):
    bare = {name.removeprefix('network.'): value for name, value in weights(whole[0]).items()}
    torch.save({container: bare}, tmp_path / 'ckpt_epoch_240.pth')
    plain = small.runner_config(tmp_path, small.setting())
    argv = [plain, tmp_path / 'ckpt_epoch_240.pth', '--work-dir', tmp_path / 'test']
    finished = runs.run(test_tool.main, argv, tmp_path)
    assert finished.code == 0, finished.text
    assert f'accuracy/top1: {result(whole[0])["metrics"]["last"]["accuracy/top1"]:.4f}' in finished.text


def test_a_checkpoint_of_another_network_is_not_tested(tmp_path):
    torch.save(small.build(small.setting(width=9)).state_dict(), tmp_path / 'wide.pth')
    plain = small.runner_config(tmp_path, small.setting())
    finished = runs.run(test_tool.main, [plain, tmp_path / 'wide.pth', '--work-dir', tmp_path / 'test'], tmp_path)
    assert finished.code == 1
    assert 'does not fit its config' in finished.last_line


@pytest.mark.parametrize('in_last_epoch', [False, True])
def test_a_run_killed_while_it_validates_does_so_first_when_it_resumes(whole, teacher, tmp_path, in_last_epoch):
    # The run is killed as the validation of epoch 2 begins: its last epoch, or the one before.
    epochs = 2 if in_last_epoch else 3
    hook = dict(type='ValidationKill', epoch=2)
    model = small.distilling(teacher)
    killed = trained(tmp_path, model, epochs=epochs, **{'default_hooks.killer': hook})
    assert killed.code == -signal.SIGKILL
    resumed = trained(tmp_path, model, '--resume', epochs=epochs)
    assert resumed.code == 0, resumed.text
    assert [epoch['epoch'] for epoch in result(tmp_path)['history']] == list(range(1, epochs + 1))
    assert result(tmp_path)['history'][:2] == result(whole[0])['history']


def test_a_run_killed_after_a_validation_keeps_its_score(whole, teacher, tmp_path):
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=3)
    model = small.distilling(teacher)
    assert trained(tmp_path, model, **{'default_hooks.killer': hook}).code == -signal.SIGKILL
    assert trained(tmp_path, model, '--resume', **{'default_hooks.killer': dict(hook, iteration=-1)}).code == 0
    assert result(tmp_path)['history'] == result(whole[0])['history']


def test_a_test_set_elsewhere_than_the_training_set_is_refused_with_val_split(teacher, tmp_path):
    changes = {'test_dataloader.dataset.data_root': 'elsewhere.npz'}
    finished = trained(tmp_path, small.distilling(teacher), '--val-split', '0.34', **changes)
    assert finished.code == 2
    assert "would test on 'elsewhere.npz': set test_dataloader.dataset.data_root as well" in finished.last_line


def test_a_mistyped_option_is_refused_with_the_nearest_key(teacher, tmp_path):
    finished = trained(tmp_path, small.distilling(teacher), '--cfg-options', 'train_dataloder.batch_size=4')
    assert finished.code == 2
    assert "the config has no 'train_dataloder'. Did you mean 'train_dataloader'?" in finished.last_line


def test_a_mistyped_setting_of_a_data_set_is_refused_with_the_nearest(teacher, tmp_path):
    finished = trained(tmp_path, small.distilling(teacher), **{'train_dataloader.dataset.fracton': 0.5})
    assert finished.code == 1
    assert "no setting 'fracton'. Did you mean 'fraction'" in finished.text


def test_no_processes_means_no_persistent_ones(teacher, tmp_path):
    changes = {'train_dataloader.persistent_workers': True}
    assert trained(tmp_path, small.distilling(teacher), epochs=1, **changes).code == 0


def test_test_time_augmentation_is_refused_for_classifiers(whole, tmp_path):
    plain = small.runner_config(tmp_path, small.setting())
    argv = [plain, whole[0] / 'work' / 'epoch_2.pth', '--work-dir', tmp_path / 'test', '--tta']
    finished = runs.run(test_tool.main, argv, tmp_path)
    assert finished.code == 2
    assert '--tta is for detectors' in finished.last_line


@pytest.mark.parametrize(
    ('changes', 'line'),
    [
        (
            {'val_evaluator.topk': [5], 'default_hooks.checkpoint.save_best': 'auto'},
            "custom_hooks.0.metric: 'accuracy/top1' is not measured, only accuracy/top5.",
        ),
        (
            {'default_hooks.checkpoint.save_best': 'accuracy/top3'},
            "default_hooks.checkpoint.save_best: 'accuracy/top3' is not measured, only accuracy/top1, accuracy/top5.",
        ),
    ],
)
def test_a_best_epoch_by_what_is_not_measured_is_refused_before_training(teacher, tmp_path, changes, line):
    finished = trained(tmp_path, small.distilling(teacher), **changes)
    assert finished.code == 1
    assert line in finished.last_line
    assert not list((tmp_path / 'work').glob('*.pth'))


def test_unreadable_images_are_skipped_also_where_a_batch_has_no_other(teacher, tmp_path):
    classes = [f'class{i}' for i in range(4)]
    for split in ('train', 'test'):
        written.tree(tmp_path / 'images' / split, classes, each=4)
    # Each is loaded last of 16 images, so with batches of 5 it is alone in the last batch.
    written.truncate(tmp_path / 'images' / 'test' / 'class3' / '3.png')
    written.truncate(tmp_path / 'images' / 'train' / 'class0' / '0.png')
    folder = dict(type='luminet_det.ImageFolder', data_root=str(tmp_path / 'images'), on_error='skip')
    changes = {f'{name}_dataloader.batch_size': 5 for name in ('train', 'val')}
    for name, split in (('train', 'train'), ('val', 'test')):
        changes[f'{name}_dataloader.dataset'] = dict(folder, split=split, _delete_=True)
    changes['train_dataloader.sampler'] = dict(type='FirstImageLast', _delete_=True)
    changes['test_dataloader'] = changes['test_cfg'] = changes['test_evaluator'] = None
    finished = trained(tmp_path, small.distilling(teacher), **changes)
    assert finished.code == 0, finished.text
    assert finished.text.count('Left out') == 2
    assert len(result(tmp_path)['history']) == 2
