import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from luminet_det.in_use import claimed
from luminet_det.quickstart.digits import prepare_digits
from luminet_det.quickstart.runs import Run

pytest.importorskip('sklearn')
TOOL = Path(__file__).parents[2] / 'tools' / 'quickstart.py'


def load_tool():
    spec = importlib.util.spec_from_file_location('quickstart_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.fixture
def quickstart(tmp_path, training, monkeypatch):
    """The tool as a function of its arguments, with fake data, training and pictures."""
    tool = load_tool()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tool, 'train', training)
    monkeypatch.setattr(tool, 'prepare_digits', lambda root: _stamp(root))
    monkeypatch.setattr(tool, 'draw_comparison', lambda path, *_: path.write_bytes(b'picture'))

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['quickstart.py', *arguments])
        tool.main()

    call.tool = tool
    return call


def _stamp(root):
    root.mkdir(parents=True, exist_ok=True)
    (root / 'stamp.json').write_text('{"seed": 0}')


def test_it_ends_with_a_table_a_picture_and_the_figures(quickstart, training, tmp_path, capsys):
    training.scores = {'teacher': 0.6, 'student-seed0': 0.2, 'distilled-seed0': 0.4}
    quickstart()
    printed = capsys.readouterr().out
    table = (tmp_path / 'work_dirs/quickstart/table.md').read_text()
    assert table in printed
    assert '50%' in table
    assert 'distilled beats plain' in table
    assert (tmp_path / 'work_dirs/quickstart/comparison.png').exists()
    figures = json.loads((tmp_path / 'work_dirs/quickstart/results.json').read_text())
    assert figures['summary']['distilled']['AP'] == dict(mean=0.4, sd=None, n=1)
    assert figures['runs']['distilled'][0]['config'] == 'quickstart/luminet_student.py'
    assert {'torch', 'mmdet', 'mmengine', 'luminet_det'} == set(figures['versions'])


def test_a_distilled_student_that_is_worse_is_not_praised(quickstart, training, capsys):
    training.scores = {'student-seed0': 0.4, 'distilled-seed0': 0.2}
    quickstart()
    printed = capsys.readouterr().out
    assert 'distilled did not beat plain' in printed
    assert 'beats' not in printed


def test_more_seeds_reuse_the_teacher_and_the_seeds_that_are_done(quickstart, training, capsys):
    quickstart()
    quickstart('--seeds', '3')
    assert training.calls == [
        *('teacher', 'student-seed0', 'distilled-seed0'),
        *('student-seed1', 'distilled-seed1', 'student-seed2', 'distilled-seed2'),
    ]
    assert 'of 3 seeds' in capsys.readouterr().out


def test_a_new_teacher_means_new_distilled_students_but_the_same_plain_one(quickstart, training, monkeypatch):
    quickstart()
    training.calls.clear()

    class AfterTheTeacherChanged(Run):
        def fingerprint(self):
            return 'another' if self.work_dir.name == 'teacher' else super().fingerprint()

    monkeypatch.setattr(quickstart.tool, 'Run', AfterTheTeacherChanged)
    quickstart()
    assert training.calls == ['teacher', 'distilled-seed0']


def test_short_runs_take_few_steps_and_leave_the_full_ones_alone(quickstart, training, tmp_path):
    quickstart()
    quickstart('--short')
    steps = {
        folder: json.loads((tmp_path / f'work_dirs/{folder}/results.json').read_text())['runs']['student'][0]['steps']
        for folder in ('quickstart', 'quickstart-short')
    }
    assert steps['quickstart-short'] < steps['quickstart'] / 5
    training.calls.clear()
    quickstart()
    assert training.calls == []


def test_cfg_options_reach_every_run(quickstart, tmp_path):
    quickstart('--cfg-options', 'train_cfg.max_iters=50', 'train_cfg.val_interval=50')
    runs = json.loads((tmp_path / 'work_dirs/quickstart/results.json').read_text())['runs']
    assert [result['steps'] for results in runs.values() for result in results] == [50, 50, 50]


def test_a_failed_training_stops_it_with_its_code_and_names_the_log(quickstart, monkeypatch, capsys):
    def fail(run):
        (run.work_dir / '20300101_000000').mkdir()
        (run.work_dir / '20300101_000000' / '20300101_000000.log').write_text('no memory')
        raise subprocess.CalledProcessError(7, 'train.py')

    monkeypatch.setattr(quickstart.tool, 'train', fail)
    with pytest.raises(SystemExit) as stopped:
        quickstart()
    assert stopped.value.code == 7
    assert '20300101_000000.log' in capsys.readouterr().err


@pytest.mark.parametrize(('code', 'exits'), [(130, 130), (143, 143), (-15, 143)])
def test_an_interrupted_training_says_how_to_go_on(quickstart, monkeypatch, capsys, code, exits):
    def interrupted(run):
        raise subprocess.CalledProcessError(code, 'train.py')

    monkeypatch.setattr(quickstart.tool, 'train', interrupted)
    with pytest.raises(SystemExit) as stopped:
        quickstart()
    assert stopped.value.code == exits
    assert 'same command continues' in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_training_of_two_steps_leaves_what_a_result_is_read_from(tmp_path):
    tool = load_tool()
    prepare_digits(tmp_path / 'digits', train=4, val=2)
    config = TOOL.parents[1] / 'configs' / 'quickstart' / 'student.py'
    options = {
        **tool.data_options(tmp_path / 'digits'),
        **tool.steps_options(2),
        'param_scheduler.0.end': 1,
        'param_scheduler.1.begin': 1,
        'default_hooks.logger.interval': 1,
    }
    run = tool.Run(config, config, tmp_path / 'student', 5, options)
    result = tool.finish_or_exit(run)
    assert run.checkpoint.is_file()
    assert 0 <= result['AP'] <= result['AP50'] < 0.5
    assert 0 < result['seconds'] < 60
    assert 'seed=5' in (run.work_dir / 'student.py').read_text()


def test_a_failed_training_is_reported_with_its_code(tmp_path, capfd):
    missing = tmp_path / 'missing.py'
    with pytest.raises(subprocess.CalledProcessError) as failed:
        load_tool().train(Run(missing, missing, tmp_path, 0, {'train_cfg.max_iters': 9}))
    assert failed.value.returncode == 2
    assert failed.value.cmd[3:] == [
        *('--work-dir', str(tmp_path), '--seed', '0', '--resume', 'auto'),
        *('--cfg-options', 'train_cfg.max_iters=9'),
    ]
    assert 'no config' in capfd.readouterr().err


def test_no_seed_at_all_is_refused(quickstart, capsys):
    with pytest.raises(SystemExit):
        quickstart('--seeds', '0')
    assert 'at least 1' in capsys.readouterr().err


def test_folders_may_have_spaces_and_those_that_cannot_be_handed_on_are_refused(quickstart, training, capsys):
    quickstart('--work-dir', 'my runs', '--data-root', 'my data')
    assert Path('my runs/table.md').is_file()
    trained = len(training.calls)
    for flag in ('--work-dir', '--data-root'):
        for folder in ('a,b', '2024'):
            with pytest.raises(SystemExit):
                quickstart(flag, folder)
            assert f'{flag} {folder!r}: give a folder whose name is not quoted, a number' in capsys.readouterr().err
    assert len(training.calls) == trained


def test_one_that_still_runs_keeps_its_folder(tmp_path):
    """With other options, the second run would empty the folders in which the first one trains."""
    work = tmp_path / 'work'
    kept = work / 'teacher' / 'iter_100.pth'
    kept.parent.mkdir(parents=True)
    kept.touch()
    (kept.parent / 'run.json').write_text('{"fingerprint": "of the first"}')
    with claimed(work):
        command = [sys.executable, str(TOOL), '--short', '--work-dir', str(work), '--data-root', str(tmp_path / 'data')]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f'quickstart.py: error: {work} is in use: process' in second.stderr
    assert kept.is_file()
