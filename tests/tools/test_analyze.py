"""tools/analyze.py: pictures, numbers and a page that show a student next to its teacher."""

import json
import re
import shlex
import sys

import pytest
import torch
from mmengine.config import Config

from luminet_det.classification.analysis import load_trained
from tests.classification import small
from tools import analyze, linear_probe, show

PICTURES = {'embeddings', 'correlations', 'class_scores', 'intra_class', 'perceptions', 'reliability'}
GUIDE = small.ROOT / 'docs' / 'looking_at_a_student.md'
COMMANDS = [
    shlex.split(command)
    for block in re.findall(r'```bash\n(.*?)```', GUIDE.read_text(), re.S)
    for command in block.replace('\\\n', ' ').splitlines()
    if command
]
NAMES = tuple(f'class{i}' for i in range(4))


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('teacher') / 'teacher.pth', classes=NAMES)


@pytest.fixture(scope='module')
def config(tmp_path_factory, teacher):
    return small.runner_config(tmp_path_factory.mktemp('config'), small.distilling(teacher))


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    return small.runner_config(tmp_path_factory.mktemp('plain'), small.setting())


@pytest.fixture(scope='module')
def student(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('student') / 's.pth', small.setting(), NAMES, 2)['checkpoint']


@pytest.fixture(scope='module')
def other(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('other') / 'o.pth', small.setting(), NAMES, 3)['checkpoint']


def looked(config, checkpoint, out, *argv):
    assert analyze.main([str(config), str(checkpoint), '--out', str(out), '--classes', '4', *map(str, argv)]) == 0
    return json.loads((out / 'numbers.json').read_text())['networks']


def refused(capsys, *argv):
    with pytest.raises(SystemExit, match='2'):
        analyze.main([str(word) for word in argv])
    return capsys.readouterr().err


def test_a_student_is_shown_beside_its_teacher_and_another_network(config, student, other, tmp_path, capsys):
    numbers = looked(config, student, tmp_path, '--compare', other, '--compare-name', 'alone')
    assert {path.stem for path in tmp_path.glob('*.png')} == PICTURES
    assert list(numbers) == ['teacher: SmallNet', 'student: SmallNet', 'alone: SmallNet']
    assert set(numbers['student: SmallNet']) - set(numbers['teacher: SmallNet']) == {
        'agreement',
        'correlation_difference',
    }
    assert numbers['student: SmallNet'] != numbers['alone: SmallNet']
    page = (tmp_path / 'index.html').read_text()
    assert page.count('src="data:image/png;base64,') == len(PICTURES)
    assert str(tmp_path / 'index.html') in capsys.readouterr().out


def test_the_teachers_numbers_are_its_own_whatever_its_pixels(config, teacher, student, tmp_path):
    changed = dict(teacher['config'], data_preprocessor=dict(mean=[90.0] * 3, std=[40.0] * 3))
    told = small.save_teacher(tmp_path / 't.pth', changed, NAMES)
    own = small.runner_config(tmp_path / 'own', changed)
    distilling = small.runner_config(tmp_path / 'both', small.distilling(told))
    alone = looked(own, told['checkpoint'], tmp_path / 'a')['network: SmallNet']
    beside = looked(distilling, student, tmp_path / 'b')['teacher: SmallNet']
    assert beside == pytest.approx(alone, rel=1e-4)


def test_a_teacher_that_trains_on_statistics_of_the_batch_is_shown_as_it_was_validated(
    config, teacher, student, tmp_path
):
    in_training = small.runner_config(tmp_path, small.distilling(dict(teacher, batch_statistics=True)))
    found, plain = (looked(path, student, tmp_path / path.parent.name) for path in (in_training, config))
    assert found['teacher: SmallNet'] == pytest.approx(plain['teacher: SmallNet'])


def test_a_peer_that_no_checkpoint_holds_is_not_shown(student, tmp_path):
    model = small.distilling(dict(config=small.setting(), trainable=True))
    assert list(looked(small.runner_config(tmp_path, model), student, tmp_path)) == ['network: SmallNet']


def test_without_a_teacher_the_page_says_what_is_left_out(plain, student, tmp_path):
    numbers = looked(plain, student, tmp_path)
    assert list(numbers) == ['network: SmallNet']
    assert {path.stem for path in tmp_path.glob('*.png')} == PICTURES - {'correlations'}
    assert 'it needs a teacher, and there is none' in (tmp_path / 'index.html').read_text()


def test_a_plain_config_takes_a_teacher_from_the_command_line(plain, student, other, tmp_path):
    numbers = looked(plain, student, tmp_path, '--teacher-config', plain, '--teacher-checkpoint', other)
    assert list(numbers) == ['teacher: small', 'student: SmallNet']


def test_an_ensemble_has_the_mean_of_its_logits_and_no_embedding(student, teacher, tmp_path):
    config = small.runner_config(tmp_path, small.distilling([teacher, teacher]))
    single = looked(small.runner_config(tmp_path / 'one', small.distilling(teacher)), student, tmp_path / 'a')
    double = looked(config, student, tmp_path / 'b')
    assert double['teacher: SmallNet + SmallNet'] == pytest.approx(single['teacher: SmallNet'])
    assert 'Left out: teacher: SmallNet + SmallNet' in (tmp_path / 'b' / 'index.html').read_text()


def test_images_tau_and_seed_change_what_is_shown(plain, student, tmp_path):
    looked(plain, student, tmp_path / 'all')
    looked(plain, student, tmp_path / 'few', '--images', 5, '--tau', 4, '--seed', 1)
    one, other = (json.loads((tmp_path / name / 'numbers.json').read_text()) for name in ('all', 'few'))
    assert (one['images'], other['images']) == ('8 of 8, CIFAR-100', '5 of 8, CIFAR-100')
    assert (one['tau'], other['tau'], other['seed']) == ('1', '4', '1')
    assert (tmp_path / 'all' / 'perceptions.png').read_bytes() != (tmp_path / 'few' / 'perceptions.png').read_bytes()


def test_what_is_looked_at_is_frozen_and_in_eval_mode(plain, student):
    model = load_trained(Config.fromfile(plain), student).model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_checkpoint_of_another_network_is_refused(plain, teacher, capsys, tmp_path):
    said = refused(capsys, plain, teacher['checkpoint'])
    assert 'does not fit its config' in said
    assert 'builds SmallNet with 4 classes (model.network); give a checkpoint that was trained with it' in said


def test_classes_that_differ_are_refused(plain, tmp_path, capsys):
    names = ('class1', 'class0', 'class2', 'class3')
    swapped = small.save_teacher(tmp_path / 's.pth', small.setting(), names)['checkpoint']
    said = refused(capsys, plain, swapped)
    assert '2 of 4 classes of the test set are not those that' in said
    assert "0 is 'class0' for 'class1'" in said
    five = small.setting(num_classes=5)
    more = small.save_teacher(tmp_path / 'm.pth', five)['checkpoint']
    said = refused(capsys, small.runner_config(tmp_path, five), more)
    assert 'The network has 5 outputs, and the test set 4 classes' in said


def test_a_teacher_of_other_classes_is_refused(plain, student, tmp_path, capsys):
    foreign = small.save_teacher(tmp_path / 't.pth', small.setting(), ('a', 'b', 'c', 'd'))
    said = refused(capsys, small.runner_config(tmp_path, small.distilling(foreign)), student)
    assert "The teacher does not know 4 of the student's classes: class0" in said


def test_the_config_of_anything_but_a_classifier_is_refused(tmp_path, plain, student, capsys):
    cfg = Config.fromfile(plain)
    cfg.model = dict(type='luminet_det.SmallNet')
    cfg.dump(tmp_path / 'net.py')
    said = refused(capsys, tmp_path / 'net.py', student)
    assert 'is the config of a SmallNet; this tool is for classifiers' in said


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['nowhere.py', 'w.pth'], 'no config nowhere.py'),
        (['{plain}', 'nowhere.pth'], 'no checkpoint at nowhere.pth'),
        (['{plain}', '{student}', '--teacher-config', 'c.py'], '--teacher-config and --teacher-checkpoint belong'),
        (['{plain}', '{student}', '--images', '1'], '--images 1: at least 2 are needed'),
        (['{plain}', '{student}', '--tau', '0'], '--tau 0: a temperature is above 0'),
        (['{plain}', '{student}', '--classes', '1'], '1 classes were chosen'),
        (['{plain}', '{student}', '--classes', 'class1', 'dog'], '--classes names dog'),
        (['{plain}', '{student}', '--classes', '3', '1', '2'], '--classes names 3, 1, 2'),
        (
            ['{plain}', '{student}', '--compare', 'x.pth', '--compare-name', 'network'],
            '--compare-name network is taken',
        ),
    ],
)
def test_a_wrong_word_is_named(plain, student, capsys, argv, message):
    assert message in refused(capsys, *(word.format(plain=plain, student=student) for word in argv))


def test_a_damaged_checkpoint_is_named(plain, student, tmp_path, capsys):
    cut = tmp_path / 'cut.pth'
    torch.save(torch.load(student, weights_only=True), cut)
    cut.write_bytes(cut.read_bytes()[:2000])
    assert 'cut.pth is truncated or not a checkpoint' in refused(capsys, plain, cut)


def test_a_missing_extra_is_named_before_anything_is_loaded(plain, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    assert "run pip install '.[quickstart]'" in refused(capsys, plain, 'nowhere.pth')


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_every_command_of_the_guide_can_be_given(command):
    tool = {f'tools/{of.__name__.rpartition(".")[2]}.py': of for of in (analyze, linear_probe, show)}[command[1]]
    args = tool.parser().parse_args(command[2:])
    assert (small.ROOT / args.config).is_file()


def test_the_guide_names_every_picture_and_flag():
    text = GUIDE.read_text()
    assert set(re.findall(r'^- \*\*`(\w+)`', text, re.M)) == PICTURES
    flags = {word for action in analyze.parser()._actions for word in action.option_strings} - {'-h', '--help'}
    assert not {flag for flag in flags if f'`{flag}' not in text}
