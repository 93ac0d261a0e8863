import json
from dataclasses import replace
from pathlib import Path

import pytest

import luminet_det
from luminet_det.quickstart.runs import Run, finish

CONFIGS = Path(__file__).parents[2] / 'configs' / 'quickstart'
STEPS = {'train_cfg.max_iters': 200, 'train_cfg.val_interval': 200, 'param_scheduler.1.end': 200}


@pytest.fixture
def run(tmp_path):
    return Run(CONFIGS / 'student.py', CONFIGS / 'student.py', tmp_path / 'student', seed=3, options=STEPS)


def test_the_result_comes_from_the_runs_own_log(run, training):
    result = finish(run, training)
    assert (result['config'], result['seed'], result['steps']) == ('quickstart/student.py', 3, 200)
    assert (result['AP'], result['AP50']) == (0.25, 0.5)
    assert result['seconds'] == pytest.approx(200 * 0.2)
    assert json.loads((run.work_dir / 'result.json').read_text()) == result


def test_a_finished_run_is_reused(run, training):
    assert finish(run, training) == finish(run, training)
    assert len(training.calls) == 1


def test_an_unfinished_run_is_resumed_and_its_seconds_are_summed(run, training):
    training.stop = 100
    with pytest.raises(InterruptedError):
        finish(run, training)
    assert not (run.work_dir / 'result.json').exists()
    training.stop = None
    result = finish(run, training)
    assert len(training.calls) == 2
    assert (run.work_dir / 'iter_100.pth').exists(), 'it was started over'
    assert result['seconds'] == pytest.approx(200 * 0.2)


@pytest.mark.parametrize(
    'change',
    [
        dict(seed=4),
        dict(options={**STEPS, 'optim_wrapper.optimizer.lr': 0.5}),
        dict(context=('other scenes',)),
        dict(config=CONFIGS / 'teacher.py'),
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_run_of_other_settings_is_started_over(run, training, change):
    finish(run, training)
    (run.work_dir / 'iter_100.pth').write_text('of the settings before')
    finish(replace(run, **change), training)
    assert len(training.calls) == 2
    assert not (run.work_dir / 'iter_100.pth').exists()


def test_a_result_without_its_checkpoint_is_not_reused(run, training):
    finish(run, training)
    run.checkpoint.unlink()
    assert finish(run, training)['seconds'] == pytest.approx(200 * 0.2)
    assert run.checkpoint.exists()


def test_a_run_killed_during_its_last_evaluation_is_evaluated(run, training):
    training.evaluates = False
    with pytest.raises(RuntimeError, match='no evaluation of step 200'):
        finish(run, training)
    training.evaluates = True
    (run.work_dir / 'of the first start').touch()
    result = finish(run, training)
    assert (result['AP'], result['seconds']) == (0.25, pytest.approx(200 * 0.2))
    assert (run.work_dir / 'of the first start').exists(), 'it was started over'


def test_an_evaluation_on_the_way_is_not_that_of_the_end(run, training):
    training.stop = 100
    with pytest.raises(InterruptedError):
        finish(run, training)
    (log,) = run.work_dir.glob('*/vis_data/scalars.json')
    log.write_text(f'{log.read_text()}\n{json.dumps({"coco/bbox_mAP": 0.9, "step": 100})}')
    training.stop = None
    assert finish(run, training)['AP'] == 0.25
    assert (run.work_dir / 'iter_100.pth').exists(), 'it was started over'


def test_a_run_that_detects_nothing_has_an_ap_of_0_and_is_reused(run, training):
    training.detects = False
    assert [finish(run, training)[score] for score in ('AP', 'AP50')] == [0.0, 0.0]
    finish(run, training)
    assert len(training.calls) == 1


def test_a_strangers_folder_is_left_alone(run, training):
    run.work_dir.mkdir()
    (run.work_dir / 'thesis.txt').write_text('years of work')
    with pytest.raises(FileExistsError, match=r'no run\.json.*another --work-dir'):
        finish(run, training)
    assert (run.work_dir / 'thesis.txt').exists()
    assert not training.calls


def test_the_students_parameters_are_counted_without_the_teacher(run, training):
    plain = finish(run, training)['parameters']
    distilled = replace(run, config=CONFIGS / 'luminet_student.py', work_dir=run.work_dir.with_name('distilled'))
    teacher = replace(run, stock_config=CONFIGS / 'teacher.py', work_dir=run.work_dir.with_name('teacher'))
    assert finish(distilled, training)['parameters'] == plain
    assert finish(teacher, training)['parameters'] > 10 * plain


def test_a_changed_loss_starts_distilled_runs_over_and_no_others(run, tmp_path, monkeypatch):
    distilled = replace(run, config=CONFIGS / 'luminet_student.py')
    before = run.fingerprint(), distilled.fingerprint()
    (tmp_path / 'losses').mkdir()
    (tmp_path / 'losses' / 'luminet.py').write_text('another loss')
    monkeypatch.setattr(luminet_det, '__file__', str(tmp_path / '__init__.py'))
    after = run.fingerprint(), distilled.fingerprint()
    assert after[0] == before[0]
    assert after[1] != before[1]
