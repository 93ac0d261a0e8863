"""--fsdp trains and saves the same as DDP; only the place where weights are held differs."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from tests import pairs, ranks, runs, tiny
from tools import train

ITERATIONS = [1, 2, 3, 4]


def student():
    """A detector with frozen stages, whose parameters FSDP has to keep apart from the trained ones within a shard."""
    model = tiny.faster_rcnn()
    model['backbone']['frozen_stages'] = 1
    return model


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def trained(data, teacher, tmp_path_factory):
    """A function that trains on two processes, once for each name, and returns the folder of the run."""
    folder, done = tmp_path_factory.mktemp('fsdp'), {}

    def run(name, *flags, hook=None, resume=None, code=0, **settings):
        if name not in done:
            here = folder / name
            hooks = [
                hook or dict(type='NoteHook', folder=str(here)),
                dict(type='luminet_det.InterruptHook', interval=2),
            ]
            config = runs.tiny_config(
                here / 'tiny.py',
                data,
                pairs.distilling(student(), teacher),
                max_iters=len(ITERATIONS),
                checkpoint_interval=2,
                custom_hooks=hooks,
                custom_imports=dict(imports=['tests.ranks']),
                # The limit is low enough to clip the gradient in each step.
                **{'optim_wrapper.clip_grad': dict(max_norm=0.5), 'optim_wrapper.optimizer.lr': 0.05} | settings,
            )
            argv = [config, '--launcher', 'pytorch', '--work-dir', here / 'work', *flags]
            finished = ranks.run(train.main, argv + (['--resume', resume] if resume else []), here)
            assert [rank.code for rank in finished] == [code, code], finished[0].text[-3000:]
            done[name] = here
        return done[name]

    return run


def losses(folder):
    return runs.scalars(folder / 'work')


def saved(folder, iteration=4):
    return torch.load(folder / 'work' / f'iter_{iteration}.pth')


def close(found, expected):
    return found.keys() == expected.keys() and all(found[i] == pytest.approx(expected[i], rel=1e-5) for i in expected)


def test_the_losses_are_ddps(trained):
    ddp, fsdp = trained('ddp'), trained('fsdp', '--fsdp')
    assert list(losses(ddp)) == ITERATIONS
    assert close(losses(fsdp), losses(ddp))
    norms = [runs.scalars(folder / 'work', 'grad_norm') for folder in (fsdp, ddp)]
    assert close(*norms)
    assert min(norms[0].values()) > 0.5


def test_weights_are_split_and_the_teacher_is_not(trained):
    fsdp, ddp = trained('fsdp', '--fsdp'), trained('ddp')
    whole = ranks.notes(ddp, 0)[0]
    parts = [ranks.notes(fsdp, rank)[0] for rank in (0, 1)]
    assert sum(part['student'] for part in parts) == whole['student']
    assert all(part['student'] < 0.6 * whole['student'] for part in parts)
    assert all(part['teacher'] == whole['teacher'] for part in parts)


def test_the_checkpoint_is_the_stock_detectors_in_one_file(trained):
    work = trained('fsdp', '--fsdp') / 'work'
    stock = MODELS.build(ConfigDict(student()))
    stock.load_state_dict(torch.load(work / 'iter_4.pth')['state_dict'], strict=True)
    for name, value in saved(trained('ddp'))['state_dict'].items():
        torch.testing.assert_close(stock.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_the_optimizers_state_is_saved_as_without_sharding(trained):
    found, expected = (saved(trained(*run))['optimizer'] for run in (('fsdp', '--fsdp'), ('ddp',)))
    assert found['param_groups'][0]['params'] == expected['param_groups'][0]['params']
    assert found['state'].keys() == expected['state'].keys()
    for number, state in expected['state'].items():
        torch.testing.assert_close(found['state'][number], state, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(('before', 'after'), [('--fsdp', '--fsdp'), ('', '--fsdp'), ('--fsdp', '')])
def test_each_kind_of_run_resumes_exactly_from_the_others_checkpoint(trained, before, after):
    start = trained('fsdp', before) if before else trained('ddp')
    resumed = trained(f'{before} then {after}', *[after] * bool(after), resume=start / 'work' / 'iter_2.pth')
    expected = losses(trained('ddp'))
    assert close(losses(resumed), {i: expected[i] for i in (3, 4)})


@pytest.mark.parametrize('after', ['--fsdp', ''])
def test_learning_rates_of_single_layers_are_saved_and_resumed(trained, after):
    """mmengine keeps the base learning rate outside the optimizer, in a group without parameters of the model."""
    layers = dict(custom_keys={'backbone': dict(lr_mult=0.1)}, norm_decay_mult=0.0)
    settings = {'optim_wrapper.paramwise_cfg': layers}
    whole = trained('layers', '--fsdp', **settings)
    start = whole / 'work' / 'iter_2.pth'
    resumed = trained(f'layers then {after}', *[after] * bool(after), resume=start, **settings)
    for name in ('loss', 'lr', 'base_lr'):
        found, expected = (runs.scalars(folder / 'work', name) for folder in (resumed, whole))
        assert close(found, {i: expected[i] for i in (3, 4)}), name


def test_an_interrupted_run_saves_its_shards_together_and_goes_on(trained):
    signal = dict(type='SignalHook', number=15, iteration=1, rank=1)
    stopped = trained('stopped', '--fsdp', hook=signal, code=128 + 15)
    saved = stopped / 'work' / 'interrupted_iter_2.pth'
    assert torch.load(saved)['meta']['iter'] == 2
    expected = losses(trained('ddp'))
    assert close(losses(trained('goes on', '--fsdp', resume=saved)), {i: expected[i] for i in (3, 4)})


def test_a_checkpoint_that_is_saved_again_for_its_score_counts_the_same_iterations(trained):
    best = {'default_hooks.checkpoint.save_best': 'coco/bbox_mAP', 'train_cfg.val_interval': 2}
    everything = {'model.test_cfg.rcnn.score_thr': 0.0}
    scored = trained('scored', '--fsdp', **best | everything)
    assert list((scored / 'work').glob('best_*.pth'))
    assert [saved(scored, iteration)['meta']['iter'] for iteration in (2, 4)] == [2, 4]


@pytest.mark.parametrize(
    ('launcher', 'hooks', 'message'),
    [
        ('none', {}, r'start it by tools/dist_train\.sh or slurm_train\.sh'),
        ('slurm', dict(custom_hooks=[dict(type='EMAHook')]), 'EMAHook averages whole weights'),
        ('slurm', {'default_hooks.ema': dict(type='EMAHook')}, 'EMAHook averages whole weights'),
    ],
)
def test_what_cannot_be_sharded_says_so(data, tmp_path, monkeypatch, launcher, hooks, message):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    config = runs.tiny_config(tmp_path / 'tiny.py', data, **hooks)
    args = train.parser().parse_args([str(config), '--fsdp', '--launcher', launcher])
    monkeypatch.setenv('LOCAL_RANK', '0')
    with pytest.raises(ValueError, match=message):
        train.configure(args)


def test_on_a_gpu_processes_agree_on_an_overflow_of_their_shards(data, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    config = runs.tiny_config(tmp_path / 'tiny.py', data)
    monkeypatch.setenv('LOCAL_RANK', '0')
    words = [str(config), '--launcher', 'slurm', '--work-dir', str(tmp_path)]
    sharded, whole = (
        train.configure(train.parser().parse_args([*words, *flags])) for flags in (['--amp', '--fsdp'], ['--amp'])
    )
    assert sharded.optim_wrapper.use_fsdp
    assert 'use_fsdp' not in whole.optim_wrapper
