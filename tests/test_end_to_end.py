"""A distilling run with the tools, from training to the stock detector that it leaves."""

import json

import pytest
import torch
from mmengine.config import Config

from tests import pairs, runs, tiny
from tools import test, train

PLAIN = tiny.faster_rcnn()


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return tiny.write_coco(tmp_path_factory.mktemp('data'))


def trained(folder, data, teacher, *flags, hooks=(), distill=pairs.TERM, **settings):
    """Train a distilling config with `tools/train.py`; returns the work dir and what was printed."""
    config = runs.tiny_config(folder / 'distilling.py', data, pairs.distilling(PLAIN, teacher, distill), **settings)
    if hooks:
        cfg = Config.fromfile(config)
        cfg.custom_hooks = list(hooks)
        runs.config_file(config, cfg)
    finished = runs.run(train.main, [config, '--work-dir', folder / 'work', *flags], folder)
    assert finished.code == 0, finished.text
    return folder / 'work', finished.text


@pytest.fixture(scope='module')
def distilled(tmp_path_factory, data, teacher):
    return trained(tmp_path_factory.mktemp('distilled'), data, teacher, max_iters=60)


def test_the_start_of_training_shows_teacher_weights_classes_pixels_and_terms_in_one_block(distilled, teacher):
    _, text = distilled
    block = text[text.index('Distillation\n') :]
    assert text.count('Distillation\n') == 1
    facts = ('teacher  FasterRCNN', teacher['checkpoint'], 'classes  the same', 'pixels   as the', 'roi_cls rois=all')
    assert all(fact in block for fact in facts)


def test_the_checkpoint_is_one_of_stock_mmdet(distilled):
    work_dir, _ = distilled
    checkpoint = torch.load(work_dir / 'iter_60.pth', weights_only=True)
    pairs.build(PLAIN).load_state_dict(checkpoint['state_dict'], strict=True)


def test_the_plain_config_and_the_distilling_one_without_its_teacher_score_the_same(tmp_path, distilled, data):
    work_dir, _ = distilled
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    trained_ap = json.loads(log.read_text().splitlines()[-1])['coco/bbox_mAP']
    gone = dict(config='gone.py', checkpoint='gone.pth')
    for name, model in (('plain', PLAIN), ('teacherless', pairs.distilling(PLAIN, gone))):
        config = runs.tiny_config(tmp_path / f'{name}.py', data, model)
        finished = runs.run(test.main, [config, work_dir / 'iter_60.pth', '--work-dir', tmp_path / name], tmp_path)
        assert finished.code == 0, finished.text
        (scores,) = (tmp_path / name).glob('*/*.json')
        assert json.loads(scores.read_text())['coco/bbox_mAP'] == trained_ap
    assert trained_ap > 0


def test_ema_averages_the_student_alone(tmp_path, data, teacher):
    work_dir, _ = trained(tmp_path, data, teacher, max_iters=3, hooks=[dict(type='EMAHook')])
    checkpoint = torch.load(work_dir / 'iter_3.pth', weights_only=True)
    student = set(pairs.build(PLAIN).state_dict())
    assert set(checkpoint['state_dict']) == student
    assert set(checkpoint['ema_state_dict']) == {'steps', *(f'module.{name}' for name in student)}


def test_amp_distils(tmp_path, data, teacher):
    work_dir, _ = trained(tmp_path, data, teacher, '--amp', max_iters=3)
    losses = runs.scalars(work_dir, 'loss_luminet')
    assert len(losses) == 3
    assert all(0 < loss < 1e3 for loss in losses.values())


def test_warmup_counts_the_runs_iterations_also_after_a_resume(tmp_path, data, teacher):
    term = dict(pairs.TERM, warmup=8)
    work_dir, _ = trained(tmp_path, data, teacher, max_iters=4, distill=term)
    trained(tmp_path, data, teacher, '--resume', max_iters=6, distill=term)
    raw, weighted = (runs.scalars(work_dir, name) for name in ('raw_luminet', 'loss_luminet'))
    assert [round(weighted[i] / raw[i] / 4 * 8, 3) for i in range(1, 7)] == [1, 2, 3, 4, 5, 6]


def test_a_teacher_with_other_classes_stops_the_run_with_the_message_last(tmp_path, data):
    other = pairs.save_teacher(tmp_path / 'other.pth', PLAIN, classes=('cat', 'dog', 'cow'))
    config = runs.tiny_config(tmp_path / 'c.py', data, pairs.distilling(PLAIN, other))
    finished = runs.run(train.main, [config, '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.code != 0
    assert 'teacher (3): cat, dog, cow' in finished.text
    assert finished.last_line.startswith('Use a teacher trained on these classes.')


def test_scores_of_a_checkpoint_that_does_not_fit_end_with_a_warning(tmp_path, data, distilled):
    work_dir, _ = distilled
    config = runs.tiny_config(tmp_path / 'wide.py', data, tiny.faster_rcnn(base_channels=16))
    finished = runs.run(test.main, [config, work_dir / 'iter_60.pth', '--work-dir', tmp_path / 'work'], tmp_path)
    assert finished.last_line.startswith('These scores are not those of the checkpoint.')
    assert 'layers of another width' in finished.last_line
