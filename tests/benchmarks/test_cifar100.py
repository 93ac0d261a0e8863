"""The CIFAR-100 study stops in time and resumes, keeps finished runs, and trains no student before its teacher."""

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks import cifar100
from benchmarks.study import deadline

REPOSITORY = Path(__file__).parents[2]
PAIR = 'resnet20-resnet56'
# The fake trainer takes 0.01 s per step and remembers its progress. It saves on SIGTERM and ends at once on a second
# one, as tools/train.py does once training has begun.
FAKE = """
import json, os, signal, sys, time
from pathlib import Path
options = dict(word.split('=', 1) for word in sys.argv if '=' in word)
work = Path(sys.argv[sys.argv.index('--work-dir') + 1])
seed = int(sys.argv[sys.argv.index('--seed') + 1])
done = int((work / 'step').read_text()) if (work / 'step').exists() and '--resume' in sys.argv else 0
work.mkdir(parents=True, exist_ok=True)
told = []
signal.signal(signal.SIGTERM, lambda *_: os._exit(143) if told else told.append(1))
with (work / 'starts').open('a') as starts:
    starts.write(f'{done} ')
with Path('order').open('a') as order:
    order.write(f'{work.relative_to("work_dirs")} ')
if options.get('fail') in (work.name, 'all'):
    sys.exit(3)
log = work / str(done).zfill(4) / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True, exist_ok=True)  # killed before its first checkpoint it begins there again
last = int(options.get('steps', 5))
while done < last:
    done += 1
    time.sleep(0.01)
    with log.open('a') as lines:
        lines.write(json.dumps(dict(loss=1, step=done)) + chr(10))
    if options.get('saves') == 'never' and done % 5 == 0:
        (work / 'saved').write_text(str(done))
        (work / 'saved').replace(work / 'step')  # whole, whenever it is killed
    elif told and options.get('saves') == 'fails':
        sys.exit(4)
    elif told and options.get('saves') != 'never':
        (work / 'step').write_text(str(done))
        sys.exit(143)
if 'result=none' not in sys.argv:
    (work / 'result.json').write_text(json.dumps(dict(config=sys.argv[1], seed=seed, words=sys.argv[1:])))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout with the real configs and a fake trainer that only takes time."""
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools' / 'train.py').write_text(FAKE)
    (tmp_path / 'configs').symlink_to(REPOSITORY / 'configs')
    monkeypatch.setattr(cifar100, 'ROOT', tmp_path)
    monkeypatch.setattr(cifar100, 'OUT', tmp_path / 'results')
    monkeypatch.setattr(cifar100, 'LEAST', 0.05)
    return tmp_path


def call(*words, methods='plain', seeds=1, protocol='short'):
    cifar100.main([protocol, '--pairs', PAIR, '--methods', *methods.split(), '--seeds', str(seeds), *words])


def kept(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder / 'results').glob('*.json')}


def order(folder):
    return (folder / 'order').read_text().split()


def starts(folder):
    """The step from which the teacher started each time."""
    return [int(word) for word in (folder / 'work_dirs' / 'cifar100_short' / 'resnet56' / 'starts').read_text().split()]


def test_a_long_run_is_stopped_when_the_time_is_up(folder):
    began = time.monotonic()
    with pytest.raises(SystemExit, match='The time is up; run the same command again'):
        call('--minutes', str(5 / 60), '--train-args', 'steps=60000')
    assert time.monotonic() - began < 60  # it would have taken ten minutes
    assert not kept(folder)


def test_the_same_command_goes_on_until_all_is_there(folder):
    calls = 0
    while len(kept(folder)) < 2 and calls < 20:
        calls += 1
        with suppress(SystemExit):
            call('--minutes', str(2 / 60), '--train-args', 'steps=300')
    assert 2 < calls < 20
    began = starts(folder)
    assert began[0] == 0 < began[-1]
    assert began == sorted(set(began))
    log = (folder / 'results' / 'resnet56_short_seed0.jsonl').read_text()
    assert [json.loads(line)['step'] for line in log.splitlines()] == list(range(1, 301))


def test_a_run_that_does_not_save_in_time_is_ended_and_goes_on_from_its_last_checkpoint(folder, monkeypatch):
    monkeypatch.setattr(deadline, 'SAVING', 0.2)
    began = time.monotonic()
    # On a busy machine, a call may end before the run has saved its first checkpoint.
    while not (folder / 'order').exists() or starts(folder)[-1] == 0:
        with pytest.raises(SystemExit, match='The time is up'):
            call('--minutes', str(1 / 60), '--train-args', 'saves=never steps=6000')
    assert time.monotonic() - began < 50  # it would have taken a minute
    assert starts(folder)[0] == 0


def test_a_run_that_ends_while_it_is_told_to_stop_is_kept(folder):
    with pytest.raises(SystemExit, match='The time is up'):
        call('--minutes', str(2 / 60), '--train-args', 'saves=never steps=400')
    assert kept(folder).keys() == {'resnet56_short_seed0'}
    assert order(folder) == ['cifar100_short/resnet56']


def test_no_run_is_started_that_could_not_save(folder, monkeypatch):
    monkeypatch.setattr(cifar100, 'LEAST', 20)
    with pytest.raises(SystemExit, match='The time is up'):
        call('--minutes', '0.1')
    assert not (folder / 'order').exists()


def test_a_second_call_trains_nothing_anew_and_copies_what_is_there(folder):
    call(methods='plain luminet', seeds=2)
    stems = {f'{name}_short_seed{seed}' for name in ('resnet20', f'luminet_{PAIR}') for seed in (0, 1)}
    assert kept(folder).keys() == stems | {'resnet56_short_seed0'}
    ran = order(folder)
    assert len(ran) == len(set(ran)) == 5
    for path in (folder / 'results').iterdir():
        path.unlink()
    call('--minutes', '0', methods='plain luminet', seeds=2)
    assert order(folder) == ran
    assert kept(folder).keys() == stems | {'resnet56_short_seed0'}


def test_a_result_is_that_of_its_config_and_seed(folder):
    call('--train-args', '--amp --cfg-options "model.compile=dict(a=1, b=2)"', methods='kd', seeds=2)
    found = kept(folder)[f'kd_{PAIR}_short_seed1']
    assert (found['config'], found['seed']) == (f'configs/cifar100_short/kd_{PAIR}.py', 1)
    assert found['words'][-3:] == ['--amp', '--cfg-options', 'model.compile=dict(a=1, b=2)']
    assert str(folder) not in json.dumps(kept(folder))


def test_no_student_starts_before_its_teacher_has_ended(folder):
    with pytest.raises(SystemExit, match='The time is up'):
        call('--minutes', str(5 / 60), '--train-args', 'steps=6000', methods='plain kd')
    assert order(folder) == ['cifar100_short/resnet56']


@pytest.mark.parametrize(('protocol', 'teacher'), [('short', 'cifar100_short/resnet56'), ('full', 'resnet56')])
def test_the_teacher_is_trained_where_the_students_config_looks_for_it(folder, protocol, teacher):
    from mmengine.config import Config

    call(methods='luminet', protocol=protocol)
    assert order(folder)[0] == teacher
    config = next((folder / 'configs' / cifar100.FOLDERS[protocol]).glob(f'luminet_{PAIR}.py'))
    checkpoint = Path(Config.fromfile(config, format_python_code=False).model.teacher.checkpoint)
    assert checkpoint.parent == Path('work_dirs') / teacher


def test_every_method_of_a_seed_comes_before_the_next_seed(folder):
    call(methods='plain kd', seeds=2)
    names = [f'cifar100_short/seed{seed}/{name}' for seed in (0, 1) for name in ('resnet20', f'kd_{PAIR}')]
    assert order(folder) == ['cifar100_short/resnet56', *names]


def test_a_failing_run_is_named_and_keeps_no_other_from_being_trained(folder):
    with pytest.raises(SystemExit, match='configs/cifar100_short/resnet20.py ended with exit code 3: .*output.txt'):
        call('--train-args', 'fail=resnet20', methods='plain kd')
    assert kept(folder).keys() == {'resnet56_short_seed0', f'kd_{PAIR}_short_seed0'}


def test_no_student_of_a_failed_teacher_is_trained(folder):
    with pytest.raises(SystemExit, match='resnet56.py ended with exit code 3'):
        call('--train-args', 'fail=resnet56', methods='plain kd')
    assert order(folder) == ['cifar100_short/resnet56']


def test_students_that_have_no_teacher_train_beside_it_and_the_others_after_it(folder):
    call('--jobs', '3', '--train-args', 'steps=200', methods='plain kd luminet')
    ran = order(folder)
    assert sorted(ran[:2]) == ['cifar100_short/resnet56', 'cifar100_short/seed0/resnet20']
    assert sorted(ran[2:]) == [f'cifar100_short/seed0/{method}_{PAIR}' for method in ('kd', 'luminet')]
    ends = {path.parent.name: path.stat().st_mtime for path in folder.rglob('result.json')}
    begins = {path.parent.name: path.stat().st_mtime for path in folder.rglob('starts')}
    assert ends['resnet56'] < begins[f'kd_{PAIR}'] < ends[f'luminet_{PAIR}']
    assert begins[f'luminet_{PAIR}'] < ends[f'kd_{PAIR}']


def test_a_log_that_was_kept_outlives_the_folder_that_it_was_written_in(folder):
    call()
    log = folder / 'results' / 'resnet56_short_seed0.jsonl'
    before = log.read_text()
    for path in folder.rglob('scalars.json'):
        path.unlink()
    call()
    assert log.read_text() == before != ''


def test_a_run_that_fails_while_it_is_stopped_is_no_run_whose_time_is_up(folder):
    with pytest.raises(SystemExit, match='resnet56.py ended with exit code 4'):
        call('--minutes', str(1 / 60), '--train-args', 'saves=fails steps=6000')


def test_a_run_without_a_result_is_reported(folder):
    with pytest.raises(SystemExit, match='resnet56.py ended without a result.json in .*work_dirs/cifar100_short'):
        call('--train-args', 'result=none')


def test_the_run_of_other_arguments_is_not_taken_for_this_one(folder):
    with pytest.raises(SystemExit, match='The time is up'):
        call('--minutes', str(1 / 60), '--train-args', 'steps=6000')
    with pytest.raises(SystemExit, match="begun with --train-args 'steps=6000'; continue with these, or move it away"):
        call('--train-args=--amp')
    assert len(starts(folder)) == 1


def test_an_unknown_method_is_named_before_anything_is_trained(folder):
    with pytest.raises(SystemExit, match='There is no config kdd_resnet20-resnet56.py in configs/cifar100_short'):
        call(methods='plain kdd')
    assert not (folder / 'order').exists()
