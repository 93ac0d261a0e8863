"""The configs of the classifiers' methods, a folder each, are complete, as published, and otherwise like plain ones."""

import re

import pytest
import torch

from luminet_det.published import cifar100, imagenet, load_runs, make_page
from luminet_det.published.measured import METHODS as OF_TABLES
from luminet_det.published.name import read_name
from luminet_det.registry import MODELS
from tests.classification_configs import (
    CONFIGS,
    METHOD_COUNTS,
    METHODS,
    ROOT,
    every,
    of_folder,
    parsed,
    shown,
    teachers,
    text_of,
    work_dir,
)
from tests.method_settings import IMAGENET, LIGHT, terms
from tests.tools.test_results import write

TOP1 = {row.key: row.figures for row in cifar100.TOP1}


def figure(path):
    """The published accuracy of a CIFAR-100 config."""
    method, *pair, _ = read_name(path.stem)
    return TOP1[method][cifar100.PAIRS.index(tuple(pair))]


def is_mutual(path) -> bool:
    return path.parent.name == 'dml'


def test_the_folders_hold_as_many_configs_as_counted():
    found = {folder: len(list((ROOT / 'configs' / folder).glob('*.py'))) for folder in METHOD_COUNTS}
    assert found == METHOD_COUNTS


def test_every_published_pair_of_a_method_has_a_config_and_no_other_has():
    found = {path.stem for path in METHODS if of_folder(path) == 'cifar100' and path.parent.name != 'mcld'}
    rows = [row for row in cifar100.TOP1 if row.key in OF_TABLES]
    assert found == {
        f'{row.key}_{pair.student}-{pair.teacher}'
        for row in rows
        for pair, published in zip(cifar100.PAIRS, row.figures, strict=True)
        if str(published) != '-'
    }


@every(METHODS)
def test_a_file_is_named_by_its_folder_and_its_networks(path):
    name, config = read_name(path.stem), parsed(path)
    assert name.method == path.parent.name
    network = config.model.network
    assert network.get('name', network.type.removeprefix('luminet_det.')) == name.student
    assert [teacher.config for teacher in teachers(config)] == [f'configs/{of_folder(path)}/{name.teacher}.py']


def test_no_two_configs_write_into_one_folder():
    others = [*(ROOT / 'configs').glob('*/takd/*.py'), *CONFIGS]
    found = [work_dir(path) for path in (*METHODS, *others) if of_folder(path) != 'cifar100_short']
    assert len(set(found)) == len(found)


@every(METHODS)
def test_terms_and_weights_are_the_published_ones(path):
    model = parsed(path).model
    found = []
    for term in model.distill:
        options = term.to_dict()
        loss = options.pop('loss')
        found.append((loss.pop('type').removeprefix('luminet_det.').removesuffix('Loss'), loss, options))
    assert found == terms(path)
    large, method = of_folder(path) == 'imagenet', path.parent.name
    # MLLD's published weight of the cross-entropy is for each of two views; ours is for their mean.
    expected = dict(mlld=1 if large else 0.2, mlld_ls=0.2, kd_ls=0.1).get(method, 1)
    if large and method == 'kd_ls':
        expected = 1 if 'resnet18' in path.stem else 0.5
    assert model.get('ce_weight', 1.0) == expected


@every(METHODS)
def test_a_method_trains_the_plain_student_but_for_its_published_recipe(path):
    config, name = parsed(path).to_dict(), read_name(path.stem)
    plain = parsed(ROOT / 'configs' / of_folder(path) / f'{name.student}.py').to_dict()
    large, method, pair = of_folder(path) == 'imagenet', name.method, tuple(name[1:3])
    batch, rate, nesterov = IMAGENET[method] if large else (64, 0.01 if pair[0] in LIGHT else 0.05, method == 'fcfd')
    if method.startswith('mlld'):
        rate = {'resnet18': 0.1, 'mobilenetv1': 0.2}[pair[0]] if large else 0.01 if pair[0] in LIGHT else 0.025
        assert config['train_cfg'].pop('max_epochs') == (100 if large else cifar100.MLLD_EPOCHS.get(pair, 240))
        del plain['train_cfg']['max_epochs']
        weak, strong = config['train_dataloader']['dataset'].pop('transforms')
        assert weak == plain['train_dataloader']['dataset'].pop('transforms') == strong[:2]
        assert [transform['type'] for transform in strong[2:]] == ['RandAugment', 'Cutout']
        del config['views']
    optimizer = config['optim_wrapper'].pop('optimizer')
    assert (optimizer.pop('lr'), optimizer.pop('nesterov', False)) == (rate, nesterov)
    assert optimizer.items() < plain['optim_wrapper'].pop('optimizer').items()
    assert config['train_dataloader'].pop('batch_size') * (8 if large else 1) == batch
    assert config.pop('auto_scale_lr') == dict(enable=False, base_batch_size=batch)
    del plain['train_dataloader']['batch_size'], plain['auto_scale_lr']
    model, plain_model = config.pop('model'), plain.pop('model')
    differing = {key for key in model.keys() | plain_model.keys() if model.get(key) != plain_model.get(key)}
    assert {'type', 'teacher', 'distill'} <= differing <= {'type', 'teacher', 'distill', 'ce_weight'}
    hooks, own = config.pop('custom_hooks'), plain.pop('custom_hooks')
    assert config == plain
    wanted = [] if is_mutual(path) else ['TeacherEvaluationHook', *['TrainingLabelsHook'] * (method == 'crd')]
    assert hooks[0] == own[0]
    assert [hook['type'] for hook in hooks[1:]] == [f'luminet_det.{kind}' for kind in wanted]


@every(METHODS)
def test_the_teacher_is_that_of_kd_or_a_peer_without_weights(path):
    config, (student, teacher) = parsed(path), read_name(path.stem)[1:3]
    own = config.model.teacher.to_dict()
    if is_mutual(path):
        assert own == dict(config=f'configs/{of_folder(path)}/{teacher}.py', trainable=True)
        return
    kd = parsed(ROOT / 'configs' / of_folder(path) / f'kd_{student}-{teacher}.py')
    assert own.pop('batch_statistics', False) == (path.parent.name in ('ofd', 'fcfd'))
    # Whether convolution and norm layers are fused does not make it another teacher.
    assert own == {key: value for key, value in kd.model.teacher.items() if key != 'fuse_conv_bn'}
    assert config.custom_hooks[1] == kd.custom_hooks[1]


@every([path for path in METHODS if of_folder(path) == 'cifar100'])
def test_the_accuracy_that_a_file_tells_is_published(path):
    text = ' '.join(text_of(path).split())
    told = re.search(r'Published top-1: ([\d.]+(?: ± [\d.]+)?)(?<!\.)', text)
    if path.parent.name == 'mcld':
        assert 'our reconstruction' in text.lower()
        assert told is None
        return
    number, _, mark = str(figure(path)).partition(' [')
    assert (told[1] if told else '?') == number
    assert ('recalled' in text) == (mark == 'R]')
    assert ('our reading' in text) == (mark == 'I]')


@every([path for path in METHODS if of_folder(path) == 'cifar100'])
def test_a_setting_that_is_ours_is_said_to_be(path):
    method, *pair, _ = read_name(path.stem)
    beyond = tuple(pair) in cifar100.BEYOND_THE_PAPER
    longer = tuple(pair) in cifar100.MLLD_EPOCHS and method.startswith('mlld')
    assert ('beta of this pair is unpublished' in text_of(path)) == (beyond and method == 'dkd_ls')
    assert ('epochs of this pair are unpublished' in text_of(path)) == (beyond and longer)


@every([path for path in METHODS if of_folder(path) == 'imagenet'])
def test_the_accuracy_that_an_imagenet_file_tells_is_published_of_that_pair(path):
    method, *pair, _ = read_name(path.stem)
    rows = [row for row in imagenet.PAIRS[tuple(pair)] if row.method.partition(',')[0] == named(method)]
    known = {str(figure).partition(' [')[0] for row in rows for figure in row.figures} - {'-'}
    told = set(re.findall(r'\d\d\.\d\d', text_of(path)))
    assert told <= known
    assert bool(told) == bool(known)
    recalled = any(figure.mark == 'R' for row in rows for figure in row.figures)
    assert ('recalled' in text_of(path)) == recalled
    assert ('No number' in text_of(path)) == (not known)


def named(method: str) -> str:
    """A method's name in the published rows."""
    return {row.key: row.method for row in cifar100.TOP1}.get(method, method.upper())


@every(METHODS)
def test_a_config_builds_with_what_its_losses_learn(path):
    config = parsed(path)
    config.model.pop('init_cfg', None)
    if is_mutual(path):
        # Peers draw their weights when they are built, so they are not built on the meta device.
        assert len(MODELS.build(config.model).peers) == 1
        return
    with torch.device('meta'):
        model, plain = MODELS.build(config.model), MODELS.build(config.model | dict(teacher=None, distill=[]))
    learned = [sum(p.numel() for p in term.loss.parameters()) for term in model.terms]
    learns = {'fitnet', 'crd', 'ofd', 'reviewkd', 'fcfd', 'mgd'}
    assert any(learned) == (path.parent.name in learns)
    assert model.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(
    ('method', 'parameters'),
    dict(fitnet=16_768, ofd=86_912, crd=65_792, reviewkd=1_808_774, fcfd=959_744).items(),
)
def test_what_is_learned_for_resnet8x4_is_as_large_as_published(method, parameters):
    """CRD's memory banks, 12,800,005 numbers in addition to its layers, are not counted."""
    with torch.device('meta'):
        config = parsed(ROOT / 'configs' / 'cifar100' / method / f'{method}_resnet8x4-resnet32x4.py')
        terms = MODELS.build(config.model).terms
    assert sum(p.numel() for term in terms for p in term.loss.parameters()) == parameters


@pytest.mark.parametrize(
    ('name', 'folder', 'epochs', 'full'),
    [
        ('fitnet_resnet8x4-resnet32x4', 'fitnet', 240, True),
        ('fitnet_resnet8x4-resnet32x4', 'at', 240, False),
        ('fitnet_mobilenetv2_half-vgg13', 'fitnet', 480, False),
        ('mlld_mobilenetv2_half-vgg13', 'mlld', 480, True),
        ('mlld_mobilenetv2_half-vgg13', 'mlld', 240, False),
        ('mlld_ls_shufflenetv2-resnet32x4', 'mlld_ls', 960, True),
        ('mlld_resnet8x4-resnet32x4', 'mlld', 240, True),
        ('mlld_ls_mobilenetv2_half-wrn_40_2', 'mlld_ls', 480, True),
        ('sp_vgg8-resnet50_32px', 'sp', 240, True),
    ],
)
def test_a_run_counts_with_the_epochs_of_its_methods_settings(tmp_path, name, folder, epochs, full):
    (tmp_path / 'cifar100').mkdir()
    write(tmp_path, name, 70.0, 69.0, config=f'configs/cifar100/{folder}/{name}.py', epochs=epochs)
    (run,) = load_runs([tmp_path / 'cifar100'])
    assert run.full is full


def test_the_page_of_results_has_a_command_for_every_config():
    page = make_page([])
    told = set(re.findall(r'tools/train.py (\S+/(?:cifar100|imagenet)/\w+/\S+\.py)', page))
    # On ImageNet, FCFD and methods of which only another group's runs are published have no row of their own there.
    expected = {path for path in METHODS if path.stem != 'mcld_resnet8x4-resnet32x4' and has_row(path)}
    assert {f'configs/{shown(path)}' for path in expected} <= told
    assert all((ROOT / path).is_file() for path in told)


def has_row(path) -> bool:
    method, *pair, _ = read_name(path.stem)
    return of_folder(path) == 'cifar100' or method in {row.key for row in imagenet.PAIRS[tuple(pair)]}
