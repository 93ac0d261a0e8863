"""The study of photographs stops in time and goes on, keeps what is done, and its table is of what was kept."""

import contextlib
import json
import math
import sys
import time

import pytest
from mmengine.config import Config, DictAction

from benchmarks.natural_images import __main__ as main_module
from benchmarks.natural_images import run, study, table
from benchmarks.natural_images.study import METHODS, PLAIN, TEACHER, Study, config_of
from tests import runs, tiny
from tools import train

# Takes 0.01 s a step, remembers how far it came, and saves on SIGTERM, as tools/train.py does.
FAKE = """
import json, signal, sys, time
from pathlib import Path
options = dict(word.split('=', 1) for word in sys.argv if '=' in word)
work = Path(sys.argv[sys.argv.index('--work-dir') + 1])
seed = int(sys.argv[sys.argv.index('--seed') + 1])
done = json.loads((work / 'step').read_text()) if (work / 'step').exists() else 0
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
with (work / 'starts').open('a') as starts:
    starts.write(f'{done} ')
if 'fail=1' in sys.argv:
    sys.exit(3)
last = 10 * int(options['train_cfg.max_epochs'])
# The real one dumps what it has read and was told.
loss = 'dict(type="luminet_det.LumiNetLoss", tau=' + options.get('tau', '3') + ')'
(work / Path(sys.argv[1]).name).write_text(
    'model = dict(type="luminet_det.DistillTwoStageDetector", distill=[dict(tap="roi_cls", loss=' + loss + ')])')
log = work / str(done).zfill(4) / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True)
while done < last:
    done += 1
    time.sleep(0.01)
    if done % 10 == 0:
        with log.open('a') as lines:
            lines.write(json.dumps(dict(loss=1, time=0.5, step=done)) + chr(10))
    if 'deaf=1' in sys.argv and done % 10 == 0:
        (work / 'step').write_text(str(done))
    if told and 'deaf=1' not in sys.argv:
        (work / 'step').write_text(str(done))
        (work / f'interrupted_iter_{done}.pth').touch()
        sys.exit(143)
scores = {f'coco/bbox_mAP{which}': 0.3 + seed / 100 for which in ('', '_50', '_75')}
(work / 'predictions.bbox.json').write_text(json.dumps(
    [dict(image_id=0, category_id=1, bbox=[8, 8, 20, 20], score=0.9)]))
(work / 'result.json').write_text(json.dumps(dict(
    epochs=last // 10, seed=seed, metrics=dict(last=scores), history=[scores], versions=dict(torch='x'))))
"""


def write_data(folder, difficult=True):
    """Two boxes, of which one is difficult."""
    boxes = [
        dict(id=i, image_id=0, category_id=1, bbox=box, area=400, iscrowd=0, ignore=int(i == 2 and difficult))
        for i, box in ((1, [8, 8, 20, 20]), (2, [60, 60, 20, 20]))
    ]
    images = [dict(id=0, file_name='0.png', width=96, height=96)]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='cat')])
    folder.mkdir(exist_ok=True)
    for name in ('train', 'val'):
        (folder / f'{name}.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for runs and results, with data, and a trainer that does nothing but take its time."""
    (tmp_path / 'fake.py').write_text(FAKE)
    monkeypatch.setattr(run, 'TRAIN', [sys.executable, str(tmp_path / 'fake.py')])
    monkeypatch.setattr(run, 'LEAST', 0.05)
    monkeypatch.setattr(study, 'WORK', tmp_path / 'work')
    monkeypatch.setattr(study, 'RESULTS', tmp_path / 'results')
    write_data(tmp_path / 'data')
    return tmp_path


def call(folder, *words):
    main_module.main(['--data-root', str(folder / 'data'), '--epochs', '6', *words])


def kept(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder / 'results').glob('*.json')}


def starts(folder, stem):
    return [int(word) for word in (folder / 'work' / '6_epochs' / stem / 'starts').read_text().split()]


def test_a_long_run_is_stopped_when_the_time_is_up(folder):
    began = time.monotonic()
    with pytest.raises(SystemExit, match='The time is up; the same command goes on'):
        call(folder, '--minutes', str(0.5 / 60), '--epochs', '6000')
    assert time.monotonic() - began < 20  # it would have taken ten minutes
    assert len(list(folder.rglob('interrupted_*.pth'))) == 1


def test_a_run_that_does_not_save_in_time_is_ended_and_goes_on_from_its_last_checkpoint(folder, monkeypatch):
    monkeypatch.setattr(run, 'SAVING', 0.2)
    began = time.monotonic()
    begun = [0]
    # On a busy machine a call may end before the run has come to a checkpoint.
    while begun[-1] == 0:
        with pytest.raises(SystemExit, match='The time is up'):
            call(folder, '--minutes', str(1 / 60), '--epochs', '600', '--cfg-options', 'deaf=1')
        begun = [int(word) for path in folder.rglob('starts') for word in path.read_text().split()] or [0]
    assert time.monotonic() - began < 50  # it would have taken a minute
    assert begun[0] == 0
    assert not list(folder.rglob('interrupted_*.pth'))


def test_the_data_are_known_by_annotations_and_images(folder):
    before = Study(folder / 'data').digest
    assert Study(folder / 'data').digest == before
    (folder / 'data' / 'images').mkdir()
    (folder / 'data' / 'images' / '0.png').write_bytes(b'1')
    with_image = Study(folder / 'data').digest
    (folder / 'data' / 'images' / '0.png').write_bytes(b'12')
    assert len({before, with_image, Study(folder / 'data').digest}) == 3


def test_the_same_command_goes_on_until_all_is_there(folder):
    seconds, calls = 0.4, 0
    while len(kept(folder)) < 2 and calls < 20:
        calls += 1
        with contextlib.suppress(SystemExit):
            call(folder, '--minutes', str(seconds / 60), '--methods', 'plain')
    assert calls > 2
    began = starts(folder, 'teacher_6_epochs-0')
    assert began == sorted(set(began))
    assert began[-1] > 0
    assert not list((folder / 'work').rglob('interrupted_*.pth'))


def test_a_second_call_trains_nothing_anew(folder):
    call(folder, '--methods', 'plain', 'luminet', '--seeds', '2', '--jobs', '2')
    stems = {f'{method}_6_epochs-{seed}' for method in ('plain', 'luminet') for seed in (0, 1)}
    assert kept(folder).keys() == stems | {'teacher_6_epochs-0'}
    call(folder, '--methods', 'plain', 'luminet', '--seeds', '2')
    assert all(starts(folder, stem) == [0] for stem in stems)


def test_no_student_starts_before_its_teacher_has_ended(folder):
    with pytest.raises(SystemExit):
        call(folder, '--minutes', str(0.5 / 60), '--jobs', '4', '--methods', 'kd')
    assert not (folder / 'work' / '6_epochs' / 'kd_6_epochs-0').exists()


def test_no_run_is_started_that_could_not_save(folder, monkeypatch):
    monkeypatch.setattr(run, 'LEAST', 20)
    with pytest.raises(SystemExit, match='The time is up'):
        call(folder, '--minutes', '0.1')
    assert not list(folder.rglob('starts'))


def test_a_failed_run_ends_the_study_and_names_its_log(folder):
    with pytest.raises(SystemExit, match=r'teacher, seed 0, ended with exit code 3: .*output.txt'):
        call(folder, '--cfg-options', 'fail=1', '--methods', 'plain')


@pytest.mark.parametrize('other', ['--amp', '--cfg-options a=1', 'data'])
def test_the_run_of_another_setting_is_not_taken_for_this_one(folder, other):
    with pytest.raises(SystemExit):
        call(folder, '--minutes', str(0.5 / 60))
    if other == 'data':
        write_data(folder / 'data', difficult=False)
    with pytest.raises(SystemExit, match='other options or data'):
        call(folder, *(other.split() if other != 'data' else ()))


def test_without_data_it_says_where_they_belong(folder, capsys):
    with pytest.raises(SystemExit):
        main_module.main(['--data-root', str(folder / 'nowhere')])
    assert 'nowhere has no train.json; put the data there' in capsys.readouterr().err


def test_a_result_tells_what_was_run_and_nothing_of_the_machines_paths(folder):
    call(folder, '--methods', 'luminet', '--amp', '--cfg-options', 'tau=7')
    found = kept(folder)['luminet_6_epochs-0']
    assert found['config'] == str(config_of('luminet').relative_to(study.ROOT))
    assert found['distill'][0]['loss'].items() >= dict(type='luminet_det.LumiNetLoss', tau=7, eps=1e-5).items()
    assert (found['options']['amp'], found['epochs'], found['seed']) == (True, 6, 0)
    assert found['options']['data'] == Study(folder / 'data').digest
    assert found['versions'].keys() == {'torch', 'mmdet', 'luminet_det'}
    assert found['seconds'] == 60 * 0.5
    assert str(folder) not in json.dumps(found)


def test_difficult_boxes_are_neither_asked_for_nor_punished(folder):
    call(folder, '--methods', 'plain')
    assert kept(folder)['plain_6_epochs-0']['without_difficult']['AP'] == pytest.approx(1)
    write_data(folder / 'data', difficult=False)
    asked = run.described(Study(folder / 'data', 6), PLAIN, folder / 'work' / '6_epochs' / 'plain_6_epochs-0')
    assert asked['without_difficult']['AP'] == pytest.approx(0.5, abs=0.01)


def changed(method, **settings):
    """The config of a run as tools/train.py will see it."""
    config = Config.fromfile(config_of(method), format_python_code=False)
    words = [word.split('=', 1) for word in settings.pop('of').changes(method, 0)]
    config.merge_from_dict({key: DictAction._parse_iterable(value) for key, value in words})
    return config


def test_fewer_epochs_shrink_the_schedule_with_them(tmp_path):
    config = changed(PLAIN, of=Study(tmp_path, epochs=12))
    assert (config.train_cfg.max_epochs, config.param_scheduler[1].T_max, config.train_cfg.val_interval) == (12, 12, 6)


def test_the_configs_length_is_the_default():
    config = Config.fromfile(config_of(TEACHER))
    assert (config.train_cfg.max_epochs, config.train_cfg.val_interval) == (study.EPOCHS, study.VALIDATED)
    assert {path.stem for path in study.CONFIGS.glob('*.py')} == {config_of(m).stem for m in (TEACHER, *METHODS)}


@pytest.mark.parametrize('method', METHODS[1:])
def test_a_student_listens_to_the_teacher_of_its_own_study(tmp_path, method):
    teacher = changed(method, of=Study(tmp_path, epochs=12)).model.teacher
    folder = study.WORK / '12_epochs' / 'teacher_12_epochs-0'
    assert (teacher.config, teacher.checkpoint) == (str(folder / config_of(TEACHER).name), str(folder / 'epoch_12.pth'))


@pytest.mark.slow
def test_the_rehearsal_goes_the_whole_way_with_the_real_trainer(tmp_path, monkeypatch):
    data = tiny.write_coco(tmp_path / 'data', num_images=4, num_classes=20, size=96)
    for name in ('train', 'val'):
        content = json.loads((data / 'annotations.json').read_text())
        names = changed(PLAIN, of=Study(data)).train_dataloader.dataset.metainfo.classes
        for category, title in zip(content['categories'], names, strict=True):
            category['name'] = title
        (data / f'{name}.json').write_text(json.dumps(content))
    monkeypatch.setattr(study, 'WORK', tmp_path / 'work')
    rehearsal = Study(
        data, 1, options=('train_dataloader.num_workers=0', 'val_dataloader.num_workers=0'), rehearsal=True
    )
    monkeypatch.setitem(study.THIN, 'train_cfg.val_interval', 1)

    def forked(study_, method, seed, folder, deadline):
        words = [config_of(method), '--work-dir', folder, '--seed', seed, '--cfg-options']
        finished = runs.run(train.main, [*words, *study_.changes(method, seed)], folder)
        assert finished.code == 0, finished.text
        return True

    monkeypatch.setattr(run, 'train', forked)
    for method in (TEACHER, 'reviewkd_luminet'):
        assert run.finish(rehearsal, method, 0, math.inf)
    found = json.loads((rehearsal.folder / 'reviewkd_luminet_1_epochs-0.json').read_text())
    assert found['options']['rehearsal']
    assert found['history'][0]['coco/bbox_mAP'] >= 0
    assert [term['loss']['type'] for term in found['distill']] == [
        'luminet_det.ReviewKDLoss',
        'luminet_det.LumiNetLoss',
    ]
    assert found['distill'][1]['loss']['eps'] == 1e-5  # what the config leaves to the loss
    assert found['seconds'] > 0


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(study, 'RESULTS', tmp_path)

    def write(method, seed, ap, epochs=72):
        last = {f'coco/bbox_mAP{which}': ap for which in ('', '_50', '_75')}
        content = dict(
            method=method, seed=seed, epochs=epochs, metrics=dict(last=last), without_difficult=dict(AP=ap + 0.01)
        )
        (tmp_path / f'{method}_{epochs}-{seed}.json').write_text(json.dumps(content))

    return write


def row(title, text):
    (line,) = (line for line in text.splitlines() if line.startswith(f'| {title} '))
    return [cell.strip() for cell in line.split('|')[2:-1]]


def test_what_was_not_run_is_said_with_the_command(results):
    text = table.natural_images()
    assert row('LumiNet', text) == ['not run'] * 7
    assert '`python -m benchmarks.natural_images --amp --minutes 8.5`' in text


def test_the_table_has_mean_spread_and_the_gain_by_seed(results):
    for seed in (0, 1):
        results('plain', seed, 0.20 + seed / 100)
        results('luminet', seed, 0.22 + seed / 100)
    results('kd', 1, 0.22)
    results('teacher', 0, 0.3)
    text = table.natural_images()
    assert row('teacher, R50', text) == ['30.00', '30.00', '30.00', '31.00', '', '', '']
    assert row('LumiNet', text) == ['22.50 ± 0.71'] * 3 + ['23.50 ± 0.71', '+2.00 (n = 2)', '+1.00 (n = 1)', '21%']
    assert row('R18 alone', text)[-1] == ''
    assert row('KD', text)[4:] == ['+1.00 (n = 1)', '', '11%']
    assert row('DKD', text) == ['not run'] * 7
    assert 'What was not run' in text


def test_runs_of_another_length_have_a_table_of_their_own(results):
    for method in table.TITLES:
        results(method, 0, 0.1, epochs=12)
    text = table.natural_images()
    assert text.startswith('| 12 epochs')
    assert 'What was not run' not in text
    results('plain', 0, 0.2)
    text = table.natural_images()
    assert text.index('| 12 epochs') < text.index('| 72 epochs')
    assert 'What was not run: `python -m benchmarks.natural_images --amp --minutes 8.5`, again' in text
