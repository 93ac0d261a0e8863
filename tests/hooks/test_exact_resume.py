"""ExactResumeHook: a run that is killed and resumed has the losses of an uninterrupted one."""

import random
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from luminet_det.compat import checkpoints
from luminet_det.hooks import ExactResumeHook
from luminet_det.seeded_batches import SeededBatches
from luminet_det.seeds import words
from luminet_det.seen_batches import Seen
from tests import pairs, runs, tiny
from tools import train

ITERATIONS = 8
KINDS = {
    'iterations': (dict(max_iters=ITERATIONS), 4),
    'iterations, a worker': (dict(max_iters=ITERATIONS, num_workers=1), 4),
    'epochs': (dict(max_epochs=2), 1),
    'epochs, a persistent worker': (dict(max_epochs=2, num_workers=1), 1),
}


def train_without_the_hook(argv):
    train._add_hook = lambda cfg, hook: None
    train.main(argv)


def losses(main, config, folder, *flags):
    finished = runs.run(main, [config, '--work-dir', folder / 'work', *flags], folder)
    assert finished.code == 0, finished.text
    return runs.scalars(folder / 'work')


def config_of(kind, folder, data, model=None, **settings):
    length, interval = KINDS[kind]
    return runs.tiny_config(folder / 'tiny.py', data, model, checkpoint_interval=interval, **length, **settings)


def kill(main, config, folder, iteration=6):
    """Train until SIGKILL, which leaves a process no chance to clean up; returns the config to resume with."""
    cfg = Config.fromfile(config)
    cfg.custom_hooks = [dict(type='SignalHook', number=signal.SIGKILL.value, iteration=iteration)]
    config = runs.config_file(folder / 'killed.py', cfg)
    finished = runs.run(main, [config, '--work-dir', folder / 'work'], folder)
    assert finished.code == -signal.SIGKILL, finished.text
    assert len(runs.scalars(folder / 'work')) == iteration
    return config


@pytest.mark.parametrize('kind', KINDS)
def test_the_losses_after_a_kill_are_those_of_the_uninterrupted_run(tmp_path, data, uninterrupted, kind):
    whole = runs.scalars(uninterrupted(**KINDS[kind][0]))
    killed = kill(train.main, config_of(kind, tmp_path, data), tmp_path / 'killed')
    after = losses(train.main, killed, tmp_path / 'killed', '--resume')
    assert len(set(whole.values())) == ITERATIONS
    assert after == whole


@pytest.mark.parametrize('kind', ['iterations', 'epochs, a persistent worker'])
def test_without_the_hook_they_are_not(tmp_path, data, kind):
    config = config_of(kind, tmp_path, data)
    whole = losses(train_without_the_hook, config, tmp_path / 'whole')
    killed = kill(train_without_the_hook, config, tmp_path / 'killed')
    after = losses(train_without_the_hook, killed, tmp_path / 'killed', '--resume')
    assert after.keys() == whole.keys()
    assert after != whole


def test_a_distilling_run_resumes_exactly_too(tmp_path, data, teacher):
    model = dict(tiny.faster_rcnn(), type='luminet_det.DistillTwoStageDetector')
    model |= dict(teacher=teacher, distill=[pairs.TERM])
    config = config_of('iterations', tmp_path, data, model)
    whole = losses(train.main, config, tmp_path / 'whole')
    killed = kill(train.main, config, tmp_path / 'killed')
    assert losses(train.main, killed, tmp_path / 'killed', '--resume') == whole
    assert set(runs.scalars(tmp_path / 'whole' / 'work', 'loss_luminet')) == set(whole)


def test_the_size_that_a_batch_is_brought_to_resumes_too(tmp_path, data):
    model = tiny.faster_rcnn()
    sizes = dict(type='BatchSyncRandomResize', random_size_range=(32, 96), size_divisor=32, interval=3)
    model['data_preprocessor']['batch_augments'] = [sizes]
    config = config_of('iterations', tmp_path, data, model)
    whole = losses(train.main, config, tmp_path / 'whole')
    killed = kill(train.main, config, tmp_path / 'killed')
    assert losses(train.main, killed, tmp_path / 'killed', '--resume') == whole
    # The checkpoint was saved between two draws, so it has to hold the size in use.
    assert torch.load(tmp_path / 'killed' / 'work' / 'iter_4.pth')['remembered'].popitem()[1].keys() == {'_input_size'}


def test_dynamic_rcnns_statistics_resume_too(tmp_path, data):
    model = tiny.faster_rcnn()
    model['roi_head']['type'] = 'DynamicRoIHead'
    model['roi_head']['bbox_head']['loss_bbox'] = dict(type='SmoothL1Loss')
    thresholds = dict(iou_topk=5, beta_topk=3, update_iter_interval=3, initial_iou=0.1, initial_beta=1.0)
    model['train_cfg']['rcnn']['dynamic_rcnn'] = thresholds
    config = config_of('iterations', tmp_path, data, model)
    whole = losses(train.main, config, tmp_path / 'whole')
    killed = kill(train.main, config, tmp_path / 'killed')
    assert losses(train.main, killed, tmp_path / 'killed', '--resume') == whole


@TRANSFORMS.register_module()
class NotedLoading(LoadImageFromFile):
    """Also appends a line to a file for each image that is read."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def transform(self, results):
        with open(self.file, 'a') as file:
            file.write(f'{results["img_path"]}\n')
        return super().transform(results)


def read(config, folder, file, *flags, **changes):
    """Train; returns the losses of the run, and how many images it has read."""
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.pipeline[0] = dict(type='NotedLoading', file=str(file))
    cfg.merge_from_dict(changes)
    return losses(train.main, runs.config_file(folder / 'noted.py', cfg), folder, *flags), len(file.open().readlines())


@pytest.mark.parametrize(('workers', 'ahead'), [(0, 0), (2, 4)])
def test_a_resumed_run_of_iterations_reads_no_image_again(tmp_path, data, workers, ahead):
    settings = dict(max_iters=24, num_workers=workers, checkpoint_interval=20, val=False)
    config = runs.tiny_config(tmp_path / 'tiny.py', data, **settings)
    whole, _ = read(config, tmp_path / 'whole', tmp_path / 'all.txt')
    (tmp_path / 'whole' / 'work' / 'iter_24.pth').unlink()
    (tmp_path / 'whole' / 'work' / 'last_checkpoint').write_text(str(tmp_path / 'whole' / 'work' / 'iter_20.pth'))
    after, images = read(config, tmp_path / 'whole', tmp_path / 'again.txt', '--resume')
    assert after == whole
    # Loader processes load some first batches before they are told what to skip, and prefetch some after the last.
    assert 4 * 2 <= images <= (4 + 2 * ahead) * 2


@pytest.mark.parametrize('workers', [0, 2])
def test_nor_does_one_that_goes_on_within_an_epoch(tmp_path, data, workers):
    config = runs.tiny_config(tmp_path / 'tiny.py', data, max_epochs=3, num_workers=workers, val=False)
    cfg = Config.fromfile(config)
    cfg.train_dataloader.batch_size = 1  # 8 batches per epoch
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=14)
    whole, _ = read(runs.config_file(config, cfg), tmp_path / 'whole', tmp_path / 'all.txt')
    work = tmp_path / 'whole' / 'work'
    (work / 'last_checkpoint').write_text(str(work / 'iter_14.pth'))
    after, images = read(config, tmp_path / 'whole', tmp_path / 'again.txt', '--resume')
    assert after == whole
    assert len(whole) == 24
    assert images == 2 + 8


@pytest.mark.parametrize('workers', [0, 2])
def test_images_that_a_mosaic_keeps_are_read_again(tmp_path, data, workers):
    config = config_of('iterations', tmp_path, data)
    cfg = Config.fromfile(config)
    cfg.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
    mosaic = dict(type='CachedMosaic', img_scale=(64, 64), max_cached_images=10, random_pop=False)
    cfg.train_dataloader.dataset.pipeline.insert(2, mosaic)
    config = runs.config_file(config, cfg)
    whole = losses(train.main, config, tmp_path / 'whole')
    killed = kill(train.main, config, tmp_path / 'killed')
    assert losses(train.main, killed, tmp_path / 'killed', '--resume') == whole


@pytest.mark.slow
def test_processes_that_are_spawned_are_told_too(tmp_path, data):
    config = config_of('iterations, a worker', tmp_path, data)
    cfg = Config.fromfile(config)
    cfg.train_dataloader.multiprocessing_context = 'spawn'
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    work = tmp_path / 'work'
    command = [sys.executable, train.__file__, str(runs.config_file(config, cfg)), '--work-dir', str(work)]
    subprocess.run(command, check=True, capture_output=True)
    whole = runs.scalars(work)
    subprocess.run([*command, '--resume', str(work / 'iter_4.pth')], check=True, capture_output=True)
    assert len(list(work.glob('*/vis_data/scalars.json'))) == 2
    assert runs.scalars(work) == whole


class Rounds(IterBasedTrainLoop):
    """A custom loop, which may not replay the batches before a checkpoint."""

    def run(self):
        """Train on no batches."""


@pytest.mark.parametrize(('loop', 'count'), [(IterBasedTrainLoop, 5), (Rounds, 0)])
def test_batches_are_passed_over_only_for_a_loop_that_drops_them(loop, count):
    seen = Seen(DataLoader(range(4)))
    seen.pass_over(loop.__new__(loop), 5)
    assert seen.batches == count


@pytest.mark.parametrize('length', [dict(max_iters=6), dict(max_epochs=2)], ids=['iterations', 'epochs'])
@pytest.mark.parametrize('sampler', [{}, dict(type='AspectRatioBatchSampler')], ids=['any', 'by aspect'])
def test_the_batches_are_the_same_whichever_process_loads_them(tmp_path, data, sampler, length):
    found = []
    for workers in (0, 1, 3):
        config = runs.tiny_config(tmp_path / f'{workers}.py', data, num_workers=workers, val=False, **length)
        cfg = Config.fromfile(config)
        if sampler:
            cfg.train_dataloader.batch_sampler = sampler
        found.append(losses(train.main, runs.config_file(config, cfg), tmp_path / str(workers)))
    assert found[0] == found[1] == found[2]


def test_a_config_without_a_seed_resumes_with_the_one_it_drew(tmp_path, data):
    config = config_of('iterations, a worker', tmp_path, data, seed=None)
    killed = kill(train.main, config, tmp_path / 'killed')
    np.random.seed(7)  # Forked runs draw their seeds from this state; unchanged, it would give both the same seed.
    after = losses(train.main, killed, tmp_path / 'killed', '--resume')
    seed = torch.load(tmp_path / 'killed' / 'work' / 'iter_4.pth')['meta']['seed']
    assert losses(train.main, config, tmp_path / 'whole', '--seed', seed) == after


def test_another_epoch_length_starts_the_epoch_again(tmp_path, data):
    config = runs.tiny_config(tmp_path / 'tiny.py', data, max_epochs=2, checkpoint_interval=3)
    cfg = Config.fromfile(config)
    cfg.default_hooks.checkpoint.by_epoch = False
    killed = kill(train.main, runs.config_file(tmp_path / 'by_iteration.py', cfg), tmp_path / 'killed', iteration=3)
    flags = [killed, '--work-dir', tmp_path / 'killed' / 'work', '--resume']
    flags += ['--cfg-options', 'train_dataloader.batch_size=1']
    finished = runs.run(train.main, flags, tmp_path / 'killed')
    assert 'from batch 3 of 4 of an epoch, but an epoch now has 8 batches' in finished.text
    assert max(runs.scalars(tmp_path / 'killed' / 'work')) == 3 + 16


def test_a_hook_by_itself_warns_of_another_order_of_the_data(tmp_path, data):
    def resume(argv):
        cfg = tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path / 'killed' / 'work', max_iters=5, seed=None)
        cfg.custom_hooks = [dict(type='luminet_det.ExactResumeHook')]
        cfg.resume = True
        Runner.from_cfg(cfg).train()

    kill(train.main, config_of('iterations', tmp_path, data, seed=3), tmp_path / 'killed')
    finished = runs.run(resume, [], tmp_path / 'resumed')
    assert 'another order than before' in finished.text
    assert 'Set `randomness = dict(seed=3)`' in finished.text


def test_every_purpose_rank_and_iteration_has_its_own_seed():
    keys = [(seed, purpose, rank, i) for seed in (0, 1) for purpose in (0, 1) for rank in (0, 1) for i in (0, 1)]
    assert len({tuple(words(*key)) for key in keys}) == len(keys)


def test_each_process_draws_for_itself(monkeypatch):
    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr('luminet_det.hooks.exact_resume.get_rank', lambda rank=rank: rank)
        ExactResumeHook().before_train_iter(SimpleNamespace(seed=3, iter=5), 0)
        drawn.append(torch.rand(()).item())
    assert drawn[0] != drawn[1]


def test_before_a_validation_every_buffer_is_the_first_processs(monkeypatch):
    sent, model = [], torch.nn.BatchNorm1d(2)
    monkeypatch.setattr('luminet_det.hooks.exact_resume.broadcast', sent.append)
    ExactResumeHook().before_val_epoch(SimpleNamespace(model=model))
    assert [id(buffer) for buffer in sent] == [id(buffer) for buffer in model.buffers()]


def test_a_batch_depends_on_its_iteration_alone():
    def draw():
        while True:
            yield random.random(), np.random.rand(), torch.rand(()).item()

    def seed(iteration):
        random.seed(iteration)
        np.random.seed(iteration)
        torch.manual_seed(iteration)

    at_once = SeededBatches(draw(), seed)
    expected = [next(at_once) for _ in range(3)]
    between = SeededBatches(draw(), seed)
    found = []
    for _ in range(3):
        found.append(next(between))
        torch.rand(5), np.random.rand(5)
    assert found == expected


def test_it_costs_next_to_nothing():
    from timeit import repeat

    class Seeded:
        seed = 3

    one = min(repeat(partial(ExactResumeHook()._seed, Seeded, 0, 5), number=100, repeat=5)) / 100
    assert one < 1e-3


def test_settings_that_are_others_than_the_checkpoints_are_named(tmp_path, data):
    killed = kill(train.main, config_of('iterations', tmp_path, data), tmp_path / 'killed')
    words = [killed, '--work-dir', tmp_path / 'killed' / 'work', '--resume']
    changed = ['train_cfg.max_iters=5', 'train_dataloader.num_workers=1', 'optim_wrapper.optimizer.lr=0.5']
    words += ['--cfg-options', *changed]
    finished = runs.run(train.main, words, tmp_path / 'killed')
    told = finished.text.partition('with other settings than its checkpoint was trained with:\n')[2].splitlines()[:3]
    assert told == [
        '  optim_wrapper.optimizer.lr: 0.01 -> 0.5',
        '  train_cfg.max_iters: 8 -> 5',
        'The optimizer and the schedules of the checkpoint keep their saved values, whatever the config says: '
        'learning rate, milestones, and where a schedule ends.',
    ]
    assert max(runs.scalars(tmp_path / 'killed' / 'work', 'lr').values()) <= 0.01
    assert 'other settings' not in runs.run(train.main, words, tmp_path / 'killed').text


def test_another_number_of_processes_is_named(tmp_path, data):
    killed = kill(train.main, config_of('iterations', tmp_path, data), tmp_path / 'killed')
    path = tmp_path / 'killed' / 'work' / 'iter_4.pth'
    checkpoint = checkpoints.load(path)
    assert checkpoint['meta']['processes'] == 1
    checkpoint['meta']['processes'] = 8
    torch.save(checkpoint, path)
    finished = runs.run(train.main, [killed, '--work-dir', path.parent, '--resume'], tmp_path / 'killed')
    assert '  processes: 8 -> 1\nEach process loads train_dataloader.batch_size images' in finished.text


def test_another_optimizer_is_refused(tmp_path, data):
    killed = kill(train.main, config_of('iterations', tmp_path, data), tmp_path / 'killed')
    words = [killed, '--work-dir', tmp_path / 'killed' / 'work', '--resume', '--cfg-options']
    finished = runs.run(train.main, [*words, 'optim_wrapper.optimizer.type=RMSprop'], tmp_path / 'killed')
    assert finished.code == 1
    assert (
        "optim_wrapper.optimizer.type: 'SGD' -> 'RMSprop'): resume with the optimizer of that run" in finished.last_line
    )


@pytest.mark.parametrize('left_out', [['optimizer', 'param_schedulers'], ['param_schedulers'], ['optimizer', 'meta']])
def test_a_checkpoint_of_weights_alone_is_not_gone_on_from(tmp_path, data, left_out):
    """Best and published checkpoints are like this; mmengine would silently start the schedules again."""
    config = config_of('iterations', tmp_path, data)
    finished = runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code == 0, finished.text
    checkpoint = checkpoints.load(tmp_path / 'work' / 'iter_4.pth')
    torch.save({key: value for key, value in checkpoint.items() if key not in left_out}, tmp_path / 'weights.pth')
    words = [config, '--work-dir', tmp_path / 'other', '--resume', tmp_path / 'weights.pth']
    resumed = runs.run(train.main, words, tmp_path)
    assert resumed.code == 1
    assert f'lacks {left_out[0]}' in resumed.last_line
    assert '--cfg-options load_from=' in resumed.last_line
