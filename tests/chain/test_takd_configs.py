"""CIFAR-100's teacher assistants: sizes and accuracies between student and teacher, KD as published, shown commands."""

import re
from pathlib import Path

import pytest
import torch

from luminet_det import chain
from luminet_det.published import cifar100
from luminet_det.published.figure import Figure
from luminet_det.published.name import read_name
from luminet_det.registry import MODELS
from tests.chain import shown
from tests.classification_configs import ROOT, parsed, teachers, text_of, work_dir

FOLDER = ROOT / 'configs' / 'cifar100' / 'takd'
STUDENTS = sorted(FOLDER.glob('takd_*.py'))
ASSISTANTS = sorted(FOLDER.glob('kd_*.py'))
PAGES = [FOLDER / 'README.md', ROOT / 'docs' / 'teacher_assistants.md']
README = PAGES[0].read_text()
ROWS = {row.key: row.figures for row in cifar100.TOP1}
every = pytest.mark.parametrize('path', [*STUDENTS, *ASSISTANTS], ids=lambda path: path.stem)
every_student = pytest.mark.parametrize('path', STUDENTS, ids=lambda path: path.stem)


def pair(path):
    name = read_name(path.stem)
    return name.student, name.teacher


def published(row, path):
    return ROWS[row][cifar100.PAIRS.index(pair(path))]


def alone(network):
    """The published accuracy of a network trained alone, from a student's or a teacher's row; VGG-11 has none."""
    roles = [(role, i) for i, pair in enumerate(cifar100.PAIRS) for role in pair._fields]
    return next((ROWS[role][i] for role, i in roles if getattr(cifar100.PAIRS[i], role) == network), Figure(None))


def assistant(path):
    """Path of the config that a student's teacher was trained with."""
    return ROOT / teachers(parsed(path))[0].config


def parameters(network):
    with torch.device('meta'):
        built = MODELS.build(dict(type=f'luminet_det.{network}', num_classes=100))
    return sum(p.numel() for p in built.parameters())


def test_every_pair_with_a_published_number_has_a_chain_and_no_other_has():
    wanted = {own for own, number in zip(cifar100.PAIRS, ROWS['takd'], strict=True) if number.value is not None}
    assert {pair(path) for path in STUDENTS} == wanted == set(cifar100.PAPER_PAIRS)


@every
def test_a_run_is_the_plain_student_with_kd_as_in_the_papers_tables(path):
    student = pair(path)[0]
    # VGG-11 is only used as an assistant and has no config without KD; its recipe is that of the other VGGs.
    own = FOLDER.parent / f'{"vgg8" if student == "vgg11" else student}.py'
    config, plain = parsed(path).to_dict(), parsed(own).to_dict()
    model, network = config.pop('model'), plain.pop('model')['network']
    assert model['network'] == network | dict(type=f'luminet_det.{student}')
    loss = dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9)
    assert (model['ce_weight'], model['distill']) == (0.1, [dict(tap='logits', loss=loss)])
    assert {key for key in config.keys() | plain.keys() if config.get(key) != plain.get(key)} == {'custom_hooks'}


@every
def test_a_run_finds_what_its_teachers_config_leaves_and_refuses_less_than_that_has_alone(path):
    (teacher,) = teachers(parsed(path))
    own = assistant(path)
    assert teacher.checkpoint == f'{work_dir(own)}/epoch_{parsed(own).train_cfg.max_epochs}.pth'
    minimum = parsed(path).custom_hooks[1].minimum['accuracy/top1']
    taught_by = read_name(own.stem).student
    known = alone('vgg8' if taught_by == 'vgg11' else taught_by)
    assert minimum == pytest.approx(known.value - 1.5, abs=0.06)


@every_student
def test_an_assistant_has_learnt_from_the_teacher_and_lies_between(path):
    student, teacher = pair(path)
    between, taught_by = pair(assistant(path))
    assert taught_by == teacher
    assert parameters(student) < parameters(between) < parameters(teacher)
    if between != 'vgg11':
        assert alone(student).value < alone(between).value < alone(teacher).value
    assert f'it is that of {Path("../" * (assistant(path).parent != FOLDER)) / assistant(path).name}.' in text_of(path)


def test_no_network_with_a_published_accuracy_lies_between_vgg8_and_vgg13():
    """This is why the assistant of that pair is VGG-11, which has no published accuracy."""
    assert str(alone('vgg11')) == '-'
    sizes = {name: parameters(name) for pair in cifar100.PAIRS for name in pair}
    assert not [
        name
        for name, size in sizes.items()
        if sizes['vgg8'] < size < sizes['vgg13'] and alone('vgg8').value < alone(name).value < alone('vgg13').value
    ]


@every_student
def test_the_accuracies_that_files_and_page_tell_are_published(path):
    assert re.search(r'Published top-1: (\d\d\.\d\d)', text_of(path))[1] == str(published('takd', path))
    (row,) = (line.split('|')[2:6] for line in README.splitlines() if f'({path.name})' in line)
    network = pair(assistant(path))[0]
    numbers = [published('kd', path), published('takd', path), f'{parameters(network):,}', alone(network)]
    assert [cell.strip() for cell in row] == list(map(str, numbers))


def test_the_pages_link_every_config():
    assert {name for name in re.findall(r'\((\w[\w-]+\.py)\)', README)} == {path.name for path in FOLDER.glob('*.py')}


@pytest.mark.parametrize('words', shown.commands(*PAGES), ids=' '.join)
def test_a_chain_that_a_page_shows_can_be_planned(words, monkeypatch, tmp_path, capsys):
    assert shown.plan(words, tmp_path, monkeypatch, ['work_dirs/wrn_40_2/epoch_240.pth']) == 0
    assert (
        f'A chain of {sum(word.endswith(".py") for word in words)} in work_dirs/chain_takd_' in capsys.readouterr().out
    )


@every_student
def test_a_chain_changes_nothing_of_a_students_config_but_the_place_of_the_weights(path, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    (tmp_path / 'epoch_240.pth').touch()
    runs = [chain.Run(str(each), parsed(each), tmp_path) for each in (assistant(path), path)]
    assert chain.options(*runs, 'last') == {'model.teacher.checkpoint': f'{tmp_path}/epoch_240.pth'}
