"""ImageNet's teacher assistants: sizes and accuracies in between, the folder's KD, a training step, shown commands."""

import re

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper

from luminet_det import chain
from luminet_det.published import imagenet
from luminet_det.published.name import read_name
from luminet_det.registry import MODELS
from tests.chain import shown
from tests.classification_configs import ROOT, every, of_folder, parsed, teachers, text_of, work_dir

FOLDER = ROOT / 'configs' / 'imagenet' / 'takd'
README = (FOLDER / 'README.md').read_text()
STUDENTS, ASSISTANTS = sorted(FOLDER.glob('takd_*.py')), sorted(FOLDER.glob('kd_*.py'))
# Top-1 of each network trained alone; HRNet's is from timm's results.
ROLES = [(role, rows[i]) for pair, rows in imagenet.PAIRS.items() for i, role in ((0, pair.teacher), (1, pair.student))]
ALONE = {role: row.figures[0].value for role, row in ROLES if row.figures[0].value is not None}
ALONE['hrnet_w18_small'] = 72.34
CLASSES = tuple(map(str, range(1000)))


def pair(path):
    name = read_name(path.stem)
    return name.student, name.teacher


def published(path, method):
    (row,) = (row for row in imagenet.PAIRS[pair(path)] if row.key == method)
    return [str(figure).removesuffix(' [R]') for figure in row.figures], row.figures[0].mark


def own_teacher(path):
    return ROOT / teachers(parsed(path))[0].config


def built(path):
    """The network of a config, on the meta device, without values."""
    with torch.device('meta'):
        return MODELS.build(parsed(path).model.network)


def parameters(path):
    return sum(p.numel() for p in built(path).parameters())


def test_both_published_pairs_have_a_chain_and_every_assistant_a_student():
    assert {pair(path) for path in STUDENTS} == {('resnet18', 'resnet34'), ('mobilenetv1', 'resnet50')}
    assert sorted(map(own_teacher, STUDENTS)) == ASSISTANTS


@every([*STUDENTS, *ASSISTANTS])
def test_a_run_is_the_plain_network_from_scratch_with_kd_as_the_folders_configs_have_it(path):
    student = pair(path)[0]
    kd = parsed(FOLDER.parent / 'kd_resnet18-resnet34.py').to_dict()
    config = parsed(path).to_dict()
    name = config['model']['network'].get('name', 'mobilenetv1')
    assert name == student
    assert not config['model']['network'].get('pretrained')
    assert not {'init_cfg', 'load_from'} & (config['model'].keys() | {key for key in config if config[key]})
    for changed in (config, kd):
        changed['custom_hooks'][1].pop('minimum')
        for key in ('network', 'teacher'):
            changed['model'].pop(key)
    assert config == kd
    plain = FOLDER.parent / f'{student}.py'
    if plain.is_file():
        assert parsed(path).model.network == parsed(plain).model.network


@every(ASSISTANTS)
def test_an_assistants_teacher_is_that_of_the_other_methods(path):
    teacher = {'resnet34': 'kd_resnet18-resnet34.py', 'resnet50': 'kd_mobilenetv1-resnet50.py'}[pair(path)[1]]
    kd = parsed(FOLDER.parent / teacher)
    assert (parsed(path).model.teacher, parsed(path).custom_hooks) == (kd.model.teacher, kd.custom_hooks)


@every(STUDENTS)
def test_a_student_finds_what_its_assistant_leaves_and_refuses_less_than_that_has_alone(path):
    own, (teacher,) = own_teacher(path), teachers(parsed(path))
    assert teacher.checkpoint == f'{work_dir(own)}/epoch_{parsed(own).train_cfg.max_epochs}.pth'
    minimum = parsed(path).custom_hooks[1].minimum['accuracy/top1']
    assert minimum == pytest.approx(ALONE[pair(own)[0]] - 1.5, abs=0.06)


@every(STUDENTS)
def test_an_assistant_has_learnt_from_the_teacher_and_lies_between_in_size_and_accuracy(path):
    student, teacher = pair(path)
    between, taught_by = pair(own_teacher(path))
    assert taught_by == teacher
    sizes = [parameters(each) for each in (path, own_teacher(path), FOLDER.parent / f'{teacher}.py')]
    assert sizes == sorted(set(sizes))
    assert ALONE[student] < ALONE[between] < ALONE[teacher]
    assert f'it is that of {own_teacher(path).name}.' in ' '.join(text_of(path).split())


@every(STUDENTS)
def test_the_numbers_that_file_and_pages_tell_are_published(path):
    takd, mark = published(path, 'takd')
    numbers = ' / '.join(takd)
    assert f'Published top-1 / top-5: {numbers}{", as recalled" * bool(mark)}.' in ' '.join(text_of(path).split())
    marked = f'{numbers}{" [R]" * bool(mark)}'
    (row,) = (line.split('|')[2:6] for line in README.splitlines() if f'({path.name})' in line)
    own = own_teacher(path)
    kd, recalled = published(path, 'kd')
    told = [f'{" / ".join(kd)}{" [R]" * bool(recalled)}', marked, f'{parameters(own):,}', f'{ALONE[pair(own)[0]]:.2f}']
    assert [cell.strip() for cell in row] == told
    link = f'[{numbers}](takd/{path.name}){" [R]" * bool(mark)}'
    (line,) = (line for line in (FOLDER.parent / 'README.md').read_text().splitlines() if line.startswith('| TAKD |'))
    column = [named for named in ('resnet18', 'mobilenetv1')].index(pair(path)[0])
    assert line.split('|')[2 + column].strip() == link


def test_the_page_links_every_config():
    assert {name for name in re.findall(r'\((\w[\w-]+\.py)\)', README)} == {path.name for path in FOLDER.glob('*.py')}


@pytest.mark.parametrize('words', shown.commands(FOLDER / 'README.md'), ids=' '.join)
def test_a_chain_that_the_page_shows_can_be_planned(words, monkeypatch, tmp_path, capsys):
    assert shown.plan(words, tmp_path, monkeypatch) == 0
    assert 'A chain of 2 in work_dirs/chain_takd_' in capsys.readouterr().out


@every(STUDENTS)
def test_a_chain_changes_nothing_of_a_students_config_but_the_place_of_the_weights(path, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    (tmp_path / 'epoch_100.pth').touch()
    runs = [chain.Run(str(each), parsed(each), tmp_path) for each in (own_teacher(path), path)]
    assert chain.options(*runs, 'last') == {'model.teacher.checkpoint': f'{tmp_path}/epoch_100.pth'}


@every([*STUDENTS, *ASSISTANTS])
def test_a_run_takes_a_step_that_changes_all_that_it_trains(path, tmp_path):
    assert of_folder(path) == 'imagenet'
    hub = MessageHub.get_instance('steps')
    hub.update_info_dict(dict(loop_stage='train', iter=0, epoch=0, dataset_meta=dict(classes=CLASSES)))
    config, weights = parsed(path), tmp_path / 'teacher.pth'
    taught_by = parsed(own_teacher(path)).model
    teacher = MODELS.build(dict(type='luminet_det.Classifier', network=taught_by.network))
    torch.save(dict(meta=dict(dataset_meta=dict(classes=CLASSES)), state_dict=teacher.state_dict()), weights)
    config.model.teacher.checkpoint = str(weights)
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    batch = dict(inputs=torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8), labels=torch.tensor([0, 1]))
    losses = model.train_step(batch, build_optim_wrapper(model, config.optim_wrapper))
    assert losses['loss_kd'] > 0
    assert losses['loss'].isfinite()
    assert not [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
