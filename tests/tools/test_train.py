"""tools/train.py: takes mmdet's flags and any config; the last line of an error says what to do."""

import math
import os
import shutil

import pytest
import torch
from mmengine.config import Config

from tests import runs, tiny
from tools import train

ADDED = [f'luminet_det.{name}Hook' for name in ('Divergence', 'ExactResume', 'Interrupt', 'MissedValidation')]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ('LOCAL_RANK', 'CUBLAS_WORKSPACE_CONFIG', 'LUMINET_DET_COMMAND'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)


def configured(*argv):
    return train.configure(train.parser().parse_args([str(word) for word in argv]))


def hooks(cfg):
    return [hook['type'] for hook in cfg.custom_hooks]


def test_a_config_is_all_it_needs(trained):
    folder, finished = trained
    work = folder / 'work_dirs' / 'tiny'
    assert torch.load(work / 'iter_4.pth')['meta']['iter'] == 4
    assert (work / 'tiny.py').is_file()
    assert list(work.glob('*/*.log'))
    assert 'Iter(train) [2/4]' in finished.text
    assert 'coco/bbox_mAP' in finished.text


def test_every_progress_line_has_an_eta(trained):
    lines = [line for line in trained[1].text.splitlines() if 'Iter(train) [' in line]
    assert len(lines) == 4
    assert all('eta: 0:' in line for line in lines)


FLAGS = {
    'work_dir': (['--work-dir', 'here'], lambda cfg: cfg.work_dir, 'here'),
    'auto_scale_lr': (['--auto-scale-lr'], lambda cfg: cfg.auto_scale_lr.enable, True),
    'cfg_options': (['--cfg-options', 'train_cfg.max_iters=7'], lambda cfg: cfg.train_cfg.max_iters, 7),
    'a list': (
        ['--cfg-options', 'model.backbone.out_indices=[1,2]'],
        lambda cfg: cfg.model.backbone.get('out_indices'),
        [1, 2],
    ),
    'launcher': (['--launcher', 'mpi'], lambda cfg: cfg.launcher, 'mpi'),
    'local_rank': (['--local_rank', '3'], lambda cfg: os.environ.pop('LOCAL_RANK'), '3'),
    'local-rank': (['--local-rank', '3'], lambda cfg: os.environ.pop('LOCAL_RANK'), '3'),
    'seed': (['--seed', '5'], lambda cfg: cfg.randomness.seed, 5),
    'deterministic': (['--deterministic'], lambda cfg: cfg.randomness.get('deterministic'), True),
    'resume': (['--resume'], lambda cfg: (cfg.get('resume'), cfg.get('load_from')), (True, None)),
}


@pytest.mark.parametrize('flag', FLAGS)
def test_every_flag_does_what_it_says(config, flag):
    argv, read, expected = FLAGS[flag]
    assert read(configured(config)) != expected
    assert read(configured(config, *argv)) == expected


def test_deterministic_keeps_the_configs_seed(config):
    assert configured(config, '--deterministic').randomness == dict(seed=0, deterministic=True)


@pytest.mark.parametrize('gpu', [False, True])
def test_amp_takes_the_precision_that_the_device_has(config, monkeypatch, gpu):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    wrapper = configured(config, '--amp').optim_wrapper
    assert wrapper.type == ('AmpOptimWrapper' if gpu else 'CpuAmpOptimWrapper')
    assert wrapper.get('loss_scale') == ('dynamic' if gpu else None)


def test_amp_of_gpus_alone_is_refused_on_a_cpu_with_what_to_write(config, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match="AmpOptimWrapper' needs a GPU.*--amp"):
        configured(config, '--cfg-options', 'optim_wrapper.type=AmpOptimWrapper')


def test_amp_trains_on_a_cpu_in_bfloat16(trained, config, tmp_path):
    finished = runs.run(train.main, [config, '--amp', '--work-dir', tmp_path / 'amp'], tmp_path)
    assert finished.code == 0, finished.text
    whole = runs.scalars(trained[0] / 'work_dirs' / 'tiny')
    found = runs.scalars(tmp_path / 'amp')
    assert all(math.isclose(found[i], whole[i], rel_tol=0.1) for i in whole)
    assert found[1] != whole[1]


def test_auto_scale_lr_scales(config, tmp_path):
    flags = ['--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=1', 'train_cfg.max_iters=1']
    finished = runs.run(train.main, [config, '--work-dir', tmp_path / 'work', *flags], tmp_path)
    assert finished.code == 0, finished.text
    assert runs.scalars(tmp_path / 'work', 'lr')[1] == pytest.approx(2 * 0.01 * 0.1)


def test_auto_scale_lr_without_a_base_says_what_to_add(data, tmp_path):
    cfg = tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path)
    cfg.pop('auto_scale_lr')
    with pytest.raises(ValueError, match=r'Add `auto_scale_lr = dict\(enable=False, base_batch_size=16\)`'):
        configured(runs.config_file(tmp_path / 'c.py', cfg), '--auto-scale-lr')


@pytest.mark.parametrize(
    ('resume', 'iterations'), [(['--resume'], [5, 6]), (['--resume', 'work/iter_2.pth'], [3, 4, 5, 6])]
)
def test_resume_goes_on_from_the_latest_or_the_named_checkpoint(trained, config, tmp_path, resume, iterations):
    (tmp_path / 'work').mkdir()
    for name in ('iter_2.pth', 'iter_4.pth'):
        shutil.copy(trained[0] / 'work_dirs' / 'tiny' / name, tmp_path / 'work')
    (tmp_path / 'work' / 'last_checkpoint').write_text(str(tmp_path / 'work' / 'iter_4.pth'))
    argv = [config, '--work-dir', 'work', *resume, '--cfg-options', 'train_cfg.max_iters=6']
    finished = runs.run(train.main, argv, tmp_path)
    assert finished.code == 0, finished.text
    assert sorted(runs.scalars(tmp_path / 'work')) == iterations


def test_a_copy_of_a_run_resumes_from_its_own_checkpoint(trained, config, tmp_path):
    shutil.copytree(trained[0] / 'work_dirs' / 'tiny', tmp_path / 'copy')
    argv = [config, '--work-dir', 'copy', '--resume', '--cfg-options', 'train_cfg.max_iters=5']
    finished = runs.run(train.main, argv, tmp_path)
    assert finished.code == 0, finished.text
    assert f'Load checkpoint from {tmp_path / "copy" / "iter_4.pth"}' in finished.text


def test_resume_from_nowhere_says_so(config, capsys):
    with pytest.raises(SystemExit, match='2'):
        train.main([str(config), '--resume', 'nowhere.pth'])
    assert capsys.readouterr().err.endswith('error: no checkpoint at nowhere.pth\n')


def test_a_resumed_run_keeps_its_seed(trained, config):
    work = trained[0] / 'work_dirs' / 'tiny'
    assert configured(config, '--work-dir', work, '--seed', '9', '--resume').randomness.seed == 0
    assert configured(config, '--work-dir', work, '--seed', '9').randomness.seed == 9


def test_hooks_are_added_once(trained, config):
    left_behind = trained[0] / 'work_dirs' / 'tiny' / 'tiny.py'
    assert hooks(configured(config)) == ADDED
    assert hooks(configured(left_behind)) == ADDED
    assert hooks(Config.fromfile(left_behind)) == ADDED


def test_a_hook_that_the_config_has_keeps_its_settings(data, tmp_path):
    hook = dict(type='luminet_det.InterruptHook', interval=4)
    config = runs.tiny_config(tmp_path / 'c.py', data, custom_hooks=[hook])
    assert train.configure(train.parser().parse_args([str(config)]), 'again').custom_hooks[0] == hook | dict(
        command='again'
    )


def test_a_hook_of_a_similar_name_is_left_alone(data, tmp_path):
    own = [dict(type='ResumeHook', setting=1), dict(type='mine.Hook')]
    config = runs.tiny_config(tmp_path / 'c.py', data, custom_hooks=own)
    found = configured(config).custom_hooks
    assert found[:2] == own
    assert [hook['type'] for hook in found[2:]] == ADDED


def test_the_line_that_resumes_is_the_launchers_if_one_started_this(config, monkeypatch):
    assert train._command([str(config)]).endswith(f'train.py {config} --resume')
    monkeypatch.setenv('LUMINET_DET_COMMAND', f'bash tools/dist_train.sh {config} 8 ')
    assert train._command(None) == f'bash tools/dist_train.sh {config} 8 --resume'


def test_a_plain_mmdet_zoo_config_is_taken_as_it_is():
    cfg = configured('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    assert cfg.model.type == 'FasterRCNN'
    assert cfg.work_dir == './work_dirs/faster-rcnn_r50_fpn_1x_coco'


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('{folder}/tny.py', 'no config {folder}/tny.py. Similar configs in {folder}: tiny.py'),
        ('{folder}/zzz.json', 'no config {folder}/zzz.json. In {folder} there are the configs tiny.py'),
        ('{folder}/only/a.py', 'no config {folder}/only/a.py. In {folder}/only there are the folders voc'),
        ('{folder}/cooc/a.py', 'no config {folder}/cooc/a.py. Similar folders in {folder}: coco'),
        ('mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py', 'faster-rcnn_r50_fpn_1x_coco.py'),
        ('mmdet::faster-rcnn/x.py', 'faster_rcnn'),
        ('nopackage::a/b.py', 'the package nopackage is not installed'),
    ],
)
def test_a_missing_config_is_named_with_what_comes_near(tmp_path, config, capsys, name, hint):
    shutil.copy(config, tmp_path / 'tiny.py')
    (tmp_path / 'coco').mkdir()
    (tmp_path / 'only' / 'voc').mkdir(parents=True)
    with pytest.raises(SystemExit, match='2'):
        train.main([name.format(folder=tmp_path)])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('train.py: error: no config')
    assert hint.format(folder=tmp_path) in last


def test_away_from_the_project_a_missing_config_says_where_it_was_sought(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='2'):
        train.main(['configs/quickstart/teacher.py'])
    assert 'There are no configs in the working directory' in capsys.readouterr().err


@pytest.mark.parametrize('num_workers', [0, 1])
def test_an_empty_training_set_ends_with_the_line_to_change(tmp_path, data, num_workers):
    """With a loader process and an infinite sampler, mmengine alone would wait forever for the first batch."""
    options = {'train_dataloader.dataset.metainfo': dict(classes=('cat', 'dog'))}
    options['train_dataloader.dataset.serialize_data'] = num_workers == 0
    config = runs.tiny_config(tmp_path / 'tiny.py', data, num_workers=num_workers, **options)
    finished = runs.run(train.main, [config], tmp_path)
    assert finished.code == 1
    assert str(data / 'annotations.json') in finished.text
    assert "metainfo    classes 'cat', 'dog'" in finished.text
    expected = "train_dataloader.dataset.metainfo = dict(classes=('thing0', 'thing1', 'thing2'))."
    assert finished.last_line.endswith(expected)


def test_where_there_is_nothing_to_resume_the_first_start_is_from_the_configs_weights(trained, config, tmp_path):
    loading = [config, '--cfg-options', 'load_from=weights.pth', '--resume']
    first = configured(*loading, '--work-dir', tmp_path)
    assert (first.load_from, bool(first.get('resume'))) == ('weights.pth', False)
    later = configured(*loading, '--work-dir', trained[0] / 'work_dirs' / 'tiny')
    assert (later.load_from, later.resume) == (None, True)
