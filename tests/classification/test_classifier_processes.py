"""Classifiers on two processes: statistics with and without sync, and the accuracy of a whole run."""

import json

import pytest
import torch
from mmengine.model import MMDistributedDataParallel

from tests import ranks, runs
from tests.classification import small
from tests.classification.test_classifier import LogitsOnly  # noqa: F401  (registered there)
from tests.detection.test_processes import processes
from tools import test as test_tool
from tools import train

LINEAR = dict(type='luminet_det.LogitsOnly')


def gradients(model, data):
    found = small.losses(model, data)
    sum(value for name, value in found.items() if 'loss' in name).backward()
    return [parameter.grad for parameter in model.parameters()]


def of_rank(rank):
    return {name: value.chunk(2)[rank] for name, value in small.batch(16).items()}


def half(rank, config):
    data = of_rank(rank)
    model = small.build(config)
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    found = wrapped(**model.data_preprocessor(data, True), mode='loss')
    sum(value for name, value in found.items() if 'loss' in name).backward()
    return dict(loss=found['loss_luminet'].item(), gradients=[parameter.grad for parameter in model.parameters()])


def config(folder, sync):
    teacher = small.save_teacher(folder / 'teacher.pth')
    loss = dict(type='luminet_det.LumiNetLoss', sync=sync)
    return small.distilling(teacher, dict(tap='logits', loss=loss), network=LINEAR)


def test_with_synced_statistics_two_processes_equal_one_with_all_images(tmp_path):
    synced = config(tmp_path, sync=True)
    first, second = processes(half, synced, folder=tmp_path)
    alone = gradients(small.build(synced), small.batch(16))
    for mine, theirs, whole in zip(first['gradients'], second['gradients'], alone, strict=True):
        assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, whole)


def test_without_sync_each_process_standardises_its_own_images(tmp_path):
    unsynced = config(tmp_path, sync=False)
    for rank, found in enumerate(processes(half, unsynced, folder=tmp_path)):
        alone = small.losses(small.build(unsynced), of_rank(rank))
        assert found['loss'] == pytest.approx(alone['loss_luminet'].item())


def test_a_whole_run_on_two_processes_reports_the_accuracy_of_the_whole_test_set(tmp_path):
    teacher = small.save_teacher(tmp_path / 'teacher.pth')
    path = small.runner_config(tmp_path, small.distilling(teacher))
    argv = [path, '--launcher', 'pytorch', '--work-dir', tmp_path / 'work']
    for finished in ranks.run(train.main, argv, tmp_path):
        assert finished.code == 0, finished.text
    found = json.loads((tmp_path / 'work' / 'result.json').read_text())
    assert (found['train_images'], found['batch_size']) == (24, 16)
    argv = [path, tmp_path / 'work' / 'epoch_2.pth', '--work-dir', tmp_path / 'alone']
    finished = runs.run(test_tool.main, argv, tmp_path)
    assert f'accuracy/top1: {found["metrics"]["last"]["accuracy/top1"]:.4f}' in finished.text
