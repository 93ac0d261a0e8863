"""tools/test.py: takes mmdet's flags and needs no teacher."""

import pickle

import pytest

from tests import runs, tiny
from tools import test as tool


@pytest.fixture(scope='session')
def checkpoint(trained):
    return trained[0] / 'work_dirs' / 'tiny' / 'iter_4.pth'


def configured(*argv):
    return tool.configure(tool.parser().parse_args([str(word) for word in argv]))


@pytest.fixture(scope='session')
def tested(config, checkpoint, tmp_path_factory):
    """Folder and output of one run with the flags that write files."""
    folder = tmp_path_factory.mktemp('tested')
    flags = ['--out', 'found.pkl', '--show-dir', 'drawn', '--cfg-options', 'model.test_cfg.rcnn.score_thr=0.0']
    finished = runs.run(tool.main, [config, checkpoint, *flags], folder)
    assert finished.code == 0, finished.text
    return folder, finished


def test_it_prints_the_metrics_and_its_progress(tested):
    assert 'coco/bbox_mAP_50' in tested[1].text
    assert 'Iter(test) [8/8]' in tested[1].text
    assert 'eta: ' in tested[1].text


def test_the_work_dir_is_named_after_the_config(tested):
    assert list((tested[0] / 'work_dirs' / 'tiny').glob('*/*.json'))


def test_out_holds_the_predictions_of_every_image(tested):
    found = pickle.loads((tested[0] / 'found.pkl').read_bytes())
    assert sorted(sample['img_id'] for sample in found) == list(range(8))
    assert all(len(sample['pred_instances']['bboxes']) for sample in found)


def test_show_dir_holds_a_picture_of_every_image(tested):
    drawn = sorted(path.name for path in (tested[0] / 'work_dirs' / 'tiny').glob('*/drawn/*.png'))
    assert drawn == [f'{i:03d}.png' for i in range(8)]


FLAGS = {
    'work_dir': (['--work-dir', 'here'], lambda cfg: cfg.work_dir, 'here'),
    'show': (['--show'], lambda cfg: cfg.default_hooks.visualization.get('show'), True),
    'wait_time': (['--show', '--wait-time', '0.5'], lambda cfg: cfg.default_hooks.visualization.get('wait_time'), 0.5),
    'show_dir': (['--show-dir', 'x'], lambda cfg: cfg.default_hooks.visualization.get('test_out_dir'), 'x'),
    'cfg_options': (['--cfg-options', 'a.b=1'], lambda cfg: cfg.get('a'), dict(b=1)),
    'launcher': (['--launcher', 'mpi'], lambda cfg: cfg.launcher, 'mpi'),
    'tta': (['--tta'], lambda cfg: cfg.model.type, 'DetTTAModel'),
}


@pytest.mark.parametrize('flag', FLAGS)
def test_every_flag_does_what_it_says(config, flag, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')
    argv, read, expected = FLAGS[flag]
    assert read(configured(config, 'w.pth')) != expected
    assert read(configured(config, 'w.pth', *argv)) == expected


def test_the_configs_own_tta_is_kept(data, tmp_path):
    cfg = tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path)
    cfg.tta_model = dict(type='DetTTAModel', tta_cfg=dict(max_per_img=7))
    cfg.tta_pipeline = [dict(type='LoadImageFromFile')]
    found = configured(runs.config_file(tmp_path / 'c.py', cfg), 'w.pth', '--tta')
    assert found.model.tta_cfg.max_per_img == 7
    assert found.test_dataloader.dataset.pipeline == cfg.tta_pipeline


def test_tta_is_for_every_part_of_a_concatenated_set(data, tmp_path):
    cfg = tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path)
    part = cfg.test_dataloader.dataset
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[part, part])
    found = configured(runs.config_file(tmp_path / 'c.py', cfg), 'w.pth', '--tta')
    for dataset in found.test_dataloader.dataset.datasets:
        assert [step.type for step in dataset.pipeline][-1] == 'TestTimeAug'


def test_tta_runs_and_a_distilling_config_needs_no_teacher(data, checkpoint, tmp_path):
    model = dict(tiny.faster_rcnn(), type='luminet_det.DistillTwoStageDetector')
    model |= dict(teacher=dict(config='gone.py', checkpoint='gone.pth'))
    model['distill'] = [dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss'))]
    config = runs.tiny_config(tmp_path / 'distill.py', data, model)
    finished = runs.run(tool.main, [config, checkpoint, '--tta'], tmp_path)
    assert finished.code == 0, finished.text
    assert 'coco/bbox_mAP' in finished.text


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['nowhere.py', 'w.pth'], 'error: no config nowhere.py'),
        (['{config}', 'w.pth', '--cfg-options', 'teacher.checkpoint=x'], 'write model.teacher.checkpoint'),
        (['{config}', 'w.pth', '--out', 'found.json'], '--out found.json: the name must end in .pkl or .pickle'),
    ],
)
def test_a_wrong_argument_is_named(config, capsys, argv, message):
    with pytest.raises(SystemExit, match='2'):
        tool.main([word.format(config=config) for word in argv])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_missing_checkpoint_is_the_last_line(config, tmp_path):
    finished = runs.run(tool.main, [config, 'nowhere.pth'], tmp_path)
    assert finished.code == 1
    assert finished.last_line == 'FileNotFoundError: no checkpoint at nowhere.pth'


def test_drawing_without_its_hook_says_what_to_add(data, tmp_path):
    cfg = tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path)
    cfg.default_hooks.pop('visualization')
    with pytest.raises(ValueError, match=r"Add `default_hooks\.visualization = dict\(type='DetVisualizationHook'\)`"):
        configured(runs.config_file(tmp_path / 'c.py', cfg), 'w.pth', '--show')


def test_the_config_of_a_resumed_run_is_tested_with_the_weights_that_are_named(data, tmp_path):
    cfg = tiny.runner_cfg(tiny.faster_rcnn(), data, tmp_path)
    cfg.resume = True
    found = configured(runs.config_file(tmp_path / 'c.py', cfg), 'epoch_1.pth')
    assert (found.load_from, found.resume) == ('epoch_1.pth', False)
