"""The classifiers' configs are complete, build, follow the publications, and differ only in what their names say."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import get_torchvision_models

from luminet_det.published import cifar100, imagenet
from luminet_det.published.name import read_name
from luminet_det.registry import MODELS
from tests.classification_configs import (
    CONFIGS,
    COUNTS,
    DISTILLING,
    PLAIN,
    PUBLISHED,
    ROOT,
    every,
    of_folder,
    parsed,
    shown,
    teachers,
    text_of,
    work_dir,
)

# alpha, tau and weight of the cross-entropy, as in LumiNet's published code.
LUMINET = {
    ('cifar100', 'resnet8x4', 'resnet32x4'): (33, 4, 2),
    ('cifar100', 'vgg8', 'vgg13'): (70, 8, 1),
    ('cifar100', 'wrn_40_1', 'wrn_40_2'): (75, 8, 1),
    ('cifar100', 'mobilenetv2_half', 'resnet50_32px'): (70, 8, 2),
    ('cifar100', 'mobilenetv2_half', 'vgg13'): (70, 8, 2),
    ('cifar100', 'shufflenetv1', 'wrn_40_2'): (35, 4, 1),
    ('imagenet', 'resnet18', 'resnet34'): (2, 0.7, 1),
    ('imagenet', 'mobilenetv1', 'resnet50'): (2, 0.7, 1),
}
# DKD's beta; its alpha is 1 everywhere.
DKD = {
    ('cifar100', 'resnet20', 'resnet56'): 2,
    ('cifar100', 'resnet32', 'resnet110'): 2,
    ('cifar100', 'resnet8x4', 'resnet32x4'): 8,
    ('cifar100', 'wrn_16_2', 'wrn_40_2'): 6,
    ('cifar100', 'wrn_40_1', 'wrn_40_2'): 6,
    ('cifar100', 'vgg8', 'vgg13'): 6,
    ('cifar100', 'shufflenetv1', 'resnet32x4'): 8,
    ('cifar100', 'shufflenetv1', 'wrn_40_2'): 8,
    ('cifar100', 'mobilenetv2_half', 'vgg13'): 6,
    ('cifar100', 'mobilenetv2_half', 'resnet50_32px'): 8,
    ('cifar100', 'shufflenetv2', 'resnet32x4'): 8,
    ('cifar100', 'resnet20', 'resnet110'): 2,  # our choice
    ('imagenet', 'resnet18', 'resnet34'): 0.5,
    ('imagenet', 'mobilenetv1', 'resnet50'): 2,
    ('imagenet', 'mobilenetv2', 'resnet50'): 2,
}
BEYOND = cifar100.BEYOND_THE_PAPER
LIGHT = ('mobilenetv2_half', 'shufflenetv1', 'shufflenetv2')
# Images per step over all processes, learning rate, weight decay, epochs, epochs where the rate drops to a tenth.
SGD = {
    'cifar100': (64, 0.05, 5e-4, 240, [150, 180, 210]),
    'imagenet': (512, 0.2, 1e-4, 100, [30, 60, 90]),
    'tiny_imagenet': (256, 0.2, 5e-4, 200, [60, 120, 160]),
}
NORMALISATION = {
    'cifar100': ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    'imagenet': ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    'tiny_imagenet': ((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)),
    'image_folder': ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def test_the_folders_hold_as_many_configs_as_counted():
    found = {folder: len(list((ROOT / 'configs' / folder).glob('*.py'))) for folder in COUNTS}
    assert found == COUNTS
    assert len(CONFIGS) == 99


def test_every_pair_with_a_published_number_of_kd_dkd_or_luminet_has_its_config_and_no_other_has():
    wanted = {
        f'cifar100/{row.key}_{pair.student}-{pair.teacher}'
        for row in cifar100.TOP1
        for pair, published in zip(cifar100.PAIRS, row.figures, strict=True)
        if row.key in ('kd', 'dkd', 'luminet') and str(published) != '-'
    }
    assert wanted > {f'cifar100/{m}_{s}-{t}' for m in ('kd', 'dkd', 'luminet') for s, t in cifar100.PAPER_PAIRS}
    wanted |= {f'cifar100/{network}' for pair in cifar100.PAIRS for network in pair}
    wanted |= {'cifar100/{}_{}-{}'.format(method, *cifar100.VIT_PAIR) for method in ('kd', 'luminet')}
    wanted |= {f'cifar100/{network}' for network in cifar100.VIT_PAIR}
    wanted |= {
        f'cifar100/strong_augmentation/luminet_{s}-{t}_{variant}'
        for s, t in cifar100.STRONG_AUGMENTATION_PAIRS
        for variant in cifar100.STRONG_AUGMENTATION_VARIANTS
    }
    wanted |= {f'imagenet/{method}_{s}-{t}' for method in ('kd', 'dkd', 'luminet') for s, t in imagenet.PAIRS}
    wanted |= {f'imagenet/{network}' for pair in imagenet.PAIRS for network in pair}
    of_tables = [path for path in CONFIGS if path.parent.name in ('cifar100', 'strong_augmentation', 'imagenet')]
    assert {shown(path).removesuffix('.py') for path in of_tables} == wanted


@every(CONFIGS)
def test_a_config_builds_the_networks_of_its_name_with_the_classes_of_its_data(path):
    config = parsed(path)
    config.model.pop('init_cfg', None)
    with torch.device('meta'):
        model = MODELS.build(config.model)
    classes = {'cifar100': 100, 'cifar100_short': 100, 'imagenet': 1000, 'tiny_imagenet': 200, 'image_folder': 10}
    *_, last = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    assert last.out_features == classes[of_folder(path)]
    if name := read_name(path.stem):
        networks = [name.student, *filter(None, (name.teacher,))]
        models = [config.model, *(parsed(ROOT / teacher.config).model for teacher in teachers(config)[:1])]
        for network, built in zip(networks, models, strict=True):
            registered = built.network.get('name', built.network.type.removeprefix('luminet_det.'))
            assert registered.replace('mobilenet_v2', 'mobilenetv2') == network


@every(DISTILLING)
def test_a_distilling_config_listens_by_the_method_of_its_name(path):
    config = parsed(path)
    method = read_name(path.stem).method
    assert config.model.type == 'luminet_det.DistillClassifier'
    (term,) = config.model.distill
    loss = {'kd': 'KDLoss', 'dkd': 'DKDLoss', 'luminet': 'LumiNetLoss'}[method]
    assert (term.tap, term.loss.type) == ('logits', f'luminet_det.{loss}')


@every(DISTILLING)
def test_a_teacher_is_what_its_own_config_leaves_or_torchvision_publishes(path):
    for teacher in teachers(parsed(path)):
        own = ROOT / teacher.config
        assert own in PLAIN
        if teacher.checkpoint.startswith('torchvision://'):
            assert teacher.checkpoint.removeprefix('torchvision://') in get_torchvision_models()
            assert own.stem in teacher.checkpoint
        elif of_folder(path) == 'cifar100_short':
            # These have the same file names as cifar100's, so their README gives each a --work-dir.
            assert teacher.checkpoint == f'work_dirs/cifar100_short/{own.stem}/epoch_10.pth'
        else:
            epochs = parsed(own).train_cfg.max_epochs
            assert teacher.checkpoint == f'{work_dir(own)}/epoch_{epochs}.pth'


@every([path for path in DISTILLING if path.parent.name == 'cifar100' and 'deit' not in path.stem])
def test_a_teacher_may_be_a_point_and_a_half_below_its_published_accuracy(path):
    teacher = read_name(path.stem).teacher
    column = next(i for i, pair in enumerate(cifar100.PAIRS) if pair.teacher == teacher)
    (published,) = (row.figures[column].value for row in cifar100.TOP1 if row.key == 'teacher')
    (hook,) = (hook for hook in parsed(path).custom_hooks if hook.type.endswith('TeacherEvaluationHook'))
    assert hook.minimum == {'accuracy/top1': pytest.approx(published - 1.5, abs=0.06)}


def test_no_two_configs_write_into_one_folder():
    found = [work_dir(path) for path in CONFIGS if of_folder(path) != 'cifar100_short']
    assert len(set(found)) == len(found)


@every(DISTILLING)
def test_a_distilling_config_trains_the_plain_student_in_all_other_things(path):
    config, name = parsed(path).to_dict(), read_name(path.stem)
    plain = parsed(ROOT / 'configs' / of_folder(path) / f'{name.student}.py').to_dict()
    if path.parent.name == 'strong_augmentation':
        for each in (config, plain):
            del each['train_dataloader']['dataset']['transforms']
    if shown(path) == 'imagenet/luminet_mobilenetv1-resnet50.py':
        assert config['train_dataloader'].pop('batch_size') * 2 == plain['train_dataloader'].pop('batch_size')
        assert config['optim_wrapper']['optimizer'].pop('lr') * 2 == plain['optim_wrapper']['optimizer'].pop('lr')
        assert config.pop('auto_scale_lr')['base_batch_size'] * 2 == plain.pop('auto_scale_lr')['base_batch_size']
    model, plain_model = config.pop('model'), plain.pop('model')
    differing = {key for key in config.keys() | plain.keys() if config.get(key) != plain.get(key)}
    assert differing <= {'custom_hooks', 'work_dir'}
    assert config['custom_hooks'][0] == plain['custom_hooks'][0]
    differing = {key for key in model.keys() | plain_model.keys() if model.get(key) != plain_model.get(key)}
    assert {'type', 'teacher', 'distill'} <= differing <= {'type', 'teacher', 'distill', 'ce_weight'}


@every(PUBLISHED)
def test_data_and_schedule_are_the_published_recipe(path):
    config, folder = parsed(path), of_folder(path)
    batch, rate, decay, epochs, milestones = SGD[folder]
    if shown(path) == 'imagenet/luminet_mobilenetv1-resnet50.py':
        batch, rate = 256, 0.1
    if folder == 'cifar100' and (read_name(path.stem).student in LIGHT):
        rate = 0.01
    optimizer, steps = config.optim_wrapper.optimizer, config.param_scheduler
    assert (optimizer.type, optimizer.momentum, optimizer.get('nesterov', False)) == ('SGD', 0.9, False)
    assert (optimizer.lr, optimizer.weight_decay) == (rate, decay)
    assert config.train_cfg.max_epochs == epochs
    assert (steps.type, steps.by_epoch, steps.milestones, steps.gamma) == ('MultiStepLR', True, milestones, 0.1)
    processes = 8 if folder == 'imagenet' else 1
    assert config.train_dataloader.batch_size * processes == batch
    if 'auto_scale_lr' in config:
        assert config.auto_scale_lr == dict(enable=False, base_batch_size=batch)
    assert not config.train_dataloader.get('drop_last', False)
    assert 'paramwise_cfg' not in config.optim_wrapper  # norms and biases decay as well


@every(CONFIGS)
def test_the_learning_rate_is_for_the_batch_of_the_config(path):
    config = parsed(path)
    processes = 8 if of_folder(path) == 'imagenet' else 1
    if 'auto_scale_lr' in config:
        assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size * processes


@every([path for path in CONFIGS if of_folder(path) in NORMALISATION])
def test_pixels_are_normalised_in_units_of_0_to_255(path):
    found = parsed(path).model.data_preprocessor
    for values, published in zip((found.mean, found.std), NORMALISATION[of_folder(path)], strict=True):
        assert values == pytest.approx([255 * value for value in published], rel=5e-4)


@every([path for path in PUBLISHED if path in DISTILLING])
def test_weights_and_temperature_are_the_published_ones_and_others_are_marked(path):
    config, folder = parsed(path), of_folder(path)
    method, student, teacher, _ = read_name(path.stem)
    pair = (folder, student, teacher)
    (term,) = config.model.distill
    loss, ce = term.loss, config.model.get('ce_weight', 1.0)
    # The published code warms up for 20 epochs, and on ImageNet for one, which amounts to no warm-up.
    assert term.get('warmup') == (None if method == 'kd' or folder == 'imagenet' else '20 epochs')
    if method == 'kd':
        assert (ce, loss.loss_weight, loss.tau) == ((0.5, 0.5, 1) if folder == 'imagenet' else (0.1, 0.9, 4))
    elif method == 'dkd':
        tau = 1 if folder == 'imagenet' else 4
        assert (ce, loss.target_weight, loss.non_target_weight, loss.tau) == (1, 1, DKD[pair], tau)
        assert ('beta of this pair is unpublished' in text_of(path)) == (folder == 'cifar100' and pair[1:] in BEYOND)
    elif pair in LUMINET:
        assert (loss.loss_weight, loss.tau, ce) == (LUMINET[pair][0] ** 2, *LUMINET[pair][1:])
        assert 'unpublished' not in text_of(path)
    elif folder == 'imagenet':
        assert (loss.loss_weight, loss.tau, ce) == (4, 0.7, 1)
        assert 'Nothing comparable is published' in text_of(path)
    else:
        assert loss.loss_weight**0.5 / loss.tau == 8.75
        assert 'alpha / tau = 8.75' in text_of(path)


def test_luminet_on_imagenet_sees_the_whole_batch_whatever_the_number_of_gpus():
    found = [parsed(path).model.distill[0].loss for path in CONFIGS if shown(path).startswith('imagenet/luminet')]
    assert [loss.sync for loss in found] == [True] * 3


@every([path for path in CONFIGS if of_folder(path) == 'cifar100' and path.parent.name != 'ablations'])
def test_the_accuracy_that_a_file_tells_is_the_papers(path):
    method, student, teacher, variant = read_name(path.stem)
    told = re.search(r'Published top-1: (\d\d\.\d\d)', text_of(path))[1]
    if variant:
        pairs, rows = cifar100.STRONG_AUGMENTATION_PAIRS, cifar100.STRONG_AUGMENTATION
    elif student in cifar100.VIT_PAIR:
        pairs, rows = [cifar100.VIT_PAIR], cifar100.VIT
    else:
        pairs, rows = cifar100.PAIRS, cifar100.TOP1
    figures = {row.key: row.figures for row in rows}
    if teacher:
        expected = {str(figures[method][pairs.index((student, teacher))])}
    else:
        roles = [(role, i) for i, pair in enumerate(pairs) for role in ('student', 'teacher')]
        expected = {str(figures[role][i]) for role, i in roles if getattr(pairs[i], role) == student}
    assert expected == {told}


@every([path for path in CONFIGS if of_folder(path) == 'imagenet'])
def test_the_accuracy_that_an_imagenet_file_tells_is_published_of_that_pair(path):
    method, student, teacher, _ = read_name(path.stem)
    told = re.findall(r'\d\d\.\d\d', text_of(path))
    rows = [
        row
        for pair, of_pair in imagenet.PAIRS.items()
        for row in of_pair
        if (pair == (student, teacher) and row.key.startswith(method))
        or (not teacher and student in pair and row.key == ('student', 'teacher')[pair.index(student)])
    ]
    known = {str(figure) for row in rows for figure in row.figures} - {'-'}
    assert set(told) <= known
    assert bool(told) == bool(known)


@every([path for path in CONFIGS if re.fullmatch('deit_(compact|small)_32px', path.stem)])
def test_deit_decays_its_matrices_and_nothing_else(path):
    config = parsed(path)
    with torch.device('meta'):
        model = MODELS.build(config.model)
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    decayed = {id(p) for group in groups if group['weight_decay'] for p in group['params']}
    matrices = {
        name
        for name, p in model.named_parameters()
        if p.dim() > 1 and not name.endswith(('class_token', 'pos_embedding'))
    }
    assert matrices == {name for name, p in model.named_parameters() if id(p) in decayed}
