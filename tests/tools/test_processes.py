"""The processes of one run make one log, one set of checkpoints and one score; slurm's processes find each other."""

import json
import pickle

import pytest
import torch

from tests import pairs, ranks, runs, tiny
from tools import test, train


@pytest.fixture(scope='module')
def odd(tmp_path_factory):
    """Seven images: in validation, the second process gets one that the first has as well."""
    return tiny.write_coco(tmp_path_factory.mktemp('odd'), num_images=7)


@pytest.fixture(scope='module')
def two(odd, teacher, tmp_path_factory):
    """Config, folder and the two finished processes of a distilling run with validation."""
    folder = tmp_path_factory.mktemp('two')
    options = {
        'model.test_cfg.rcnn.score_thr': 0.0,
        'optim_wrapper.optimizer.lr': 0.02,
        'optim_wrapper.clip_grad': dict(max_norm=5.0),
        'train_cfg.val_interval': 15,
        'default_hooks.logger.interval': 5,
    }
    config = runs.tiny_config(
        folder / 'two.py',
        odd,
        pairs.distilling(tiny.faster_rcnn(num_rois=8), teacher),
        max_iters=30,
        batch_size=4,
        checkpoint_interval=15,
        custom_hooks=[dict(type='NoteHook', folder=str(folder))],
        custom_imports=dict(imports=['tests.ranks']),
        **options,
    )
    finished = ranks.run(train.main, [config, '--launcher', 'pytorch', '--work-dir', folder / 'work'], folder)
    assert [rank.code for rank in finished] == [0, 0], finished[0].text[-3000:]
    return config, folder, finished


def test_two_processes_write_one_log_and_one_set_of_checkpoints(two):
    _, folder, (first, second) = two
    work = folder / 'work'
    assert len(list(work.glob('*/*.log'))) == len(list(work.glob('*/vis_data/scalars.json'))) == 1
    assert sorted(path.name for path in work.glob('*.pth')) == ['iter_15.pth', 'iter_30.pth']
    assert first.text.count('Iter(train) [30/30]') == 1
    assert 'Iter(train)' not in second.text


def test_the_teacher_and_the_terms_are_announced_once(two):
    _, folder, (first, second) = two
    (log,) = (folder / 'work').glob('*/*.log')
    for text in (first.text, log.read_text()):
        assert text.count('Distillation\n') == 1
    assert 'Distillation' not in second.text


def test_too_few_rows_are_warned_of_once(two):
    _, _, (first, second) = two
    assert first.text.count('there are only 32 on each of 2 processes') == 1
    assert 'sync=True' in first.text.partition('there are only 32')[2].partition('\n')[0]
    assert 'standardises each class' not in second.text


def test_the_logged_losses_are_those_of_the_first_process(two):
    _, folder, _ = two
    logged = runs.scalars(folder / 'work', 'loss_luminet')
    assert logged.keys() >= {5, 10, 15, 20, 25, 30}
    first, second = ([note['losses']['loss_luminet'] for note in ranks.notes(folder, rank)] for rank in (0, 1))
    assert logged == {i: pytest.approx(first[i - 1]) for i in logged}
    assert first != second


def test_the_score_is_that_of_one_process_on_the_same_checkpoint(two, tmp_path):
    config, folder, _ = two
    (lines,) = (path.read_text().splitlines() for path in (folder / 'work').glob('*/vis_data/scalars.json'))
    scores = [entry['coco/bbox_mAP_50'] for entry in map(json.loads, lines) if 'coco/bbox_mAP_50' in entry]
    assert scores[0] != scores[1] > 0
    for iteration, score in zip((15, 30), scores, strict=True):
        argv = [config, folder / 'work' / f'iter_{iteration}.pth', '--work-dir', tmp_path / str(iteration)]
        finished = runs.run(test.main, argv, tmp_path)
        assert f'coco/bbox_mAP_50: {score:.4f}' in finished.text, finished.text[-2000:]


def test_two_processes_detect_what_one_does(two, tmp_path):
    config, folder, _ = two
    argv = [config, folder / 'work' / 'iter_30.pth', '--work-dir', tmp_path, '--out']
    alone = runs.run(test.main, [*argv, tmp_path / 'one.pkl'], tmp_path)
    together = ranks.run(test.main, [*argv, tmp_path / 'two.pkl', '--launcher', 'pytorch'], tmp_path)
    assert [alone.code, *(rank.code for rank in together)] == [0, 0, 0]
    one, both = (pickle.loads((tmp_path / f'{name}.pkl').read_bytes()) for name in ('one', 'two'))
    assert [sample['img_id'] for sample in both] == [sample['img_id'] for sample in one] == list(range(7))
    for found, expected in zip(both, one, strict=True):
        torch.testing.assert_close(found['pred_instances']['bboxes'], expected['pred_instances']['bboxes'])


def test_slurms_processes_train_as_torchruns_do(odd, tmp_path):
    config = runs.tiny_config(tmp_path / 'tiny.py', odd, max_iters=2, val=False)
    for launcher, names in (('pytorch', ranks.TORCHRUN), ('slurm', ranks.SLURM)):
        argv = [config, '--launcher', launcher, '--work-dir', tmp_path / launcher]
        finished = ranks.run(train.main, argv, tmp_path, names=names)
        assert [rank.code for rank in finished] == [0, 0], finished[0].text[-3000:]
    assert runs.scalars(tmp_path / 'slurm') == runs.scalars(tmp_path / 'pytorch')
    assert len(runs.scalars(tmp_path / 'slurm')) == 2


def test_mmengines_flexible_runner_too_goes_on_where_it_was_stopped(odd, tmp_path):
    """In its checkpoints, it counts one iteration more than `Runner` does."""
    signal = dict(type='SignalHook', number=15, iteration=0, val=True)
    settings = dict(max_iters=4, runner_type='FlexibleRunner', custom_imports=dict(imports=['tests.runs']))
    config = runs.tiny_config(tmp_path / 'tiny.py', odd, custom_hooks=[signal], **settings)
    work = tmp_path / 'work'
    flags = ['--work-dir', work, '--cfg-options', 'train_cfg.val_interval=2']
    assert runs.run(train.main, [config, *flags], tmp_path).code == 128 + 15
    assert torch.load(work / 'interrupted_iter_2.pth')['meta']['iter'] == 2
    resumed = runs.run(train.main, [config, '--resume', *flags], tmp_path)
    assert resumed.code == 0, resumed.text[-3000:]
    assert sorted(runs.scalars(work)) == [1, 2, 3, 4]
    whole = runs.tiny_config(tmp_path / 'whole.py', odd, **settings)
    assert runs.run(train.main, [whole, '--work-dir', tmp_path / 'whole'], tmp_path).code == 0
    assert runs.scalars(work) == runs.scalars(tmp_path / 'whole')


def test_mmengines_flexible_runner_too_refuses_class_names_that_do_not_fit(odd, tmp_path, teacher):
    """It builds the model after the datasets."""
    model = pairs.distilling(tiny.faster_rcnn(), teacher)
    config = runs.tiny_config(tmp_path / 'tiny.py', odd, model, max_iters=1, runner_type='FlexibleRunner')
    flags = ['--cfg-options', 'train_dataloader.dataset.metainfo.classes=thing2,thing0,thing1']
    finished = runs.run(train.main, [config, *flags], tmp_path)
    assert finished.code == 1
    assert 'do not fit' in finished.last_line
