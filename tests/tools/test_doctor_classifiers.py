"""tools/doctor.py on classifiers: the same report, about labelled images, the recipe and the teacher's answers."""

import re

import numpy as np
import pytest
import torch
from mmengine.config import Config

from luminet_det.doctor import recipe, teachers
from luminet_det.registry import DATASETS, MODELS
from tests import runs
from tests.classification import small
from tests.classification.data import written
from tests.tools.test_doctor import findings, levels

CHECKS = [
    'versions', 'config', 'model', 'ops', 'optimizer', 'images', 'evaluator', 'shared images', 'classes', 'recipe',
    'student weights', 'pixels', 'precision', 'step', 'gradient', 'memory',
]  # fmt: skip
DISTILLING = {'teacher weights', 'teacher', 'teacher agreement'}


@DATASETS.register_module()
class OwnImages(torch.utils.data.Dataset):
    """A user's own dataset class, not one of luminet_det's."""

    def __len__(self):
        return 16

    def __getitem__(self, i):
        return dict(inputs=torch.full((3, 16, 16), 8 * i, dtype=torch.uint8), labels=i % 4, index=i)


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('teacher') / 'teacher.pth')


@pytest.fixture(scope='module')
def config(tmp_path_factory, teacher):
    """A distilling config, with enough images of each class."""
    return write(tmp_path_factory.mktemp('config'), small.distilling(teacher))


def write(folder, model, images=None, **changes):
    changes = {'train_dataloader.batch_size': 32} | changes
    meant = {'auto_scale_lr.base_batch_size': changes['train_dataloader.batch_size']}
    path = small.runner_config(folder, model, **meant | changes)
    arrays = dict(test_images=written.images(24, seed=1), test_labels=np.arange(24) % 4)
    arrays |= dict(train_images=written.images(64), train_labels=np.arange(64) % 4)
    written.npz(folder / 'images.npz', **arrays | (images or {}))
    return path


def test_a_plain_classifier_is_looked_at_from_versions_to_memory(tmp_path):
    found = findings(tmp_path, write(tmp_path, small.setting(), val_cfg=dict()))
    assert list(found) == CHECKS
    assert levels(found, 'WARN', 'FAIL', 'SKIP') == set()
    assert [finding['found'] for finding in found['images']] == [
        'train_dataloader: 64 images of 4 classes, 16 each',
        'train_dataloader: 32 x 32, all resident on cpu',
        'val_dataloader: 24 images of 4 classes, 6 each',
        'val_dataloader: 32 x 32, all resident on cpu',
    ]
    assert found['classes'][0]['found'] == '4 in data and network: class0, class1, class2, class3'
    assert found['pixels'][0]['found'].startswith('64 images have mean (126.8, 127.4, 127.8) and')
    assert found['step'][0]['found'].startswith('32 images, loss 1.')


def test_a_distilling_one_has_its_teachers_looked_at(tmp_path, teacher):
    found = findings(tmp_path, write(tmp_path, small.distilling([teacher, teacher])))
    assert set(found) == {*CHECKS, *DISTILLING}
    assert levels(found, 'FAIL', 'SKIP') == set()
    assert 'classes matched by position' in found['teacher'][0]['found']
    assert [len(found[check]) for check in sorted(DISTILLING)] == [2, 2, 2]
    assert 'loss_luminet' in found['step'][0]['found']


OPTIONS = {
    'outputs': (['model.network.num_classes=3'], 'classes', 'FAIL', 'has 3 outputs, the data 4', 'num_classes = 4'),
    'no data': (['val_dataloader.dataset.data_root=gone'], 'images', 'FAIL', 'CIFAR-100 is not at', 'val_dataloader.'),
    'no split': (['train_dataloader.dataset.split=val'], 'images', 'FAIL', "split='val' of CIFAR-100", 'train_data'),
    'no labels': (['model.ce_weight=0'], 'recipe', 'WARN', 'neither scale nor offset', 'model.ce_weight = 1.0'),
    'few rows': (['train_dataloader.batch_size=8'], 'recipe', 'WARN', 'by 27%', 'train_dataloader.batch_size = 64'),
    'one over': (['train_dataloader.batch_size=63'], 'recipe', 'WARN', 'leave a single image', 'drop_last = True'),
    'swapped': (['model.data_preprocessor.bgr_to_rgb=True'], 'recipe', 'WARN', 'swaps red and blue', 'leave out bgr'),
    'best': (
        ['default_hooks.checkpoint.save_best=accuracy/top3'],
        'evaluator', 'FAIL', 'only accuracy/top1, accuracy/top5.', 'default_hooks.checkpoint.save_best, or',
    ),
    'no batch': (
        ['train_dataloader.batch_size=99', 'train_dataloader.drop_last=True'],
        'step', 'FAIL', 'drop_last leaves nothing of 64 images', 'train_dataloader.batch_size',
    ),
    '0 to 1': (
        ['model.data_preprocessor.mean=[.5,.5,.5]', 'model.data_preprocessor.std=[.2,.2,.2]'],
        'pixels', 'WARN', 'the model expects (0.5, 0.5, 0.5)', 'model.data_preprocessor.mean',
    ),
    'no teacher': (['model.teacher.checkpoint=gone.pth'], 'teacher weights', 'FAIL', 'no checkpoint at', 'model.teach'),
}  # fmt: skip


@pytest.mark.parametrize(('options', 'check', 'level', 'words', 'change'), OPTIONS.values(), ids=OPTIONS)
def test_a_mistake_in_the_config_is_found_where_it_is(tmp_path, config, options, check, level, words, change):
    found = findings(tmp_path, config, '--cfg-options', *options)
    # These may be found as well: a student of other classes does not fit its teacher, this teacher is not trained,
    # and the learning rate is for one batch size.
    assert levels(found, level) - {'teacher', 'teacher agreement', 'optimizer'} == {check}
    assert any(words in finding['found'] and change in finding['change'] for finding in found[check])


def test_images_that_are_validated_and_trained_on_are_counted(tmp_path):
    images = written.images(64)
    arrays = dict(train_images=images, test_images=np.concatenate([written.images(22, seed=1), images[:2]]))
    (finding,) = findings(tmp_path, write(tmp_path, small.setting(), arrays))['shared images']
    assert (finding['level'], finding['change'].split(':')[0]) == ('WARN', 'val_dataloader.dataset')
    shared = '2 of 24 validation images are also in the training set: image 22 of test; image 23 of test'
    assert finding['found'] == shared


def test_as_few_shared_images_as_cifar_has_are_no_warning(tmp_path):
    images = written.images(400)
    arrays = dict(test_images=images, test_labels=np.arange(400) % 4)
    arrays['train_images'] = np.concatenate([written.images(63, seed=2), images[:1]])
    (finding,) = findings(tmp_path, write(tmp_path, small.setting(), arrays))['shared images']
    assert finding['level'] == 'OK'
    assert finding['found'].startswith('1 of 400 validation images are also in the training set: image 0 of test')


def test_folders_are_compared_by_file_and_class_by_class(tmp_path):
    cfg = Config.fromfile(write(tmp_path, small.setting(num_classes=3)))
    for loader, names in ((cfg.train_dataloader, 'abc'), (cfg.val_dataloader, 'abd')):
        root = written.tree(tmp_path / names, names, each=8)
        loader.dataset = dict(type='luminet_det.ImageFolder', data_root=str(root), split=None)
    found = findings(tmp_path, runs.config_file(tmp_path / 'c.py', cfg))
    assert found['shared images'][0]['found'] == 'training and validation share none'
    assert levels(found, 'FAIL') == {'classes'}
    assert 'the first that differ are c and d' in found['classes'][0]['found']
    cfg.val_dataloader.dataset = cfg.train_dataloader.dataset
    found = findings(tmp_path, runs.config_file(tmp_path / 'c.py', cfg))
    assert levels(found, 'WARN', 'FAIL', 'SKIP') == {'shared images'}
    assert found['shared images'][0]['found'].startswith('24 of 24 validation images are also in the training set: /')


def test_a_data_set_of_ones_own_takes_its_step_all_the_same(tmp_path):
    cfg = Config.fromfile(write(tmp_path, small.setting(), **{'train_dataloader.batch_size': 8}))
    cfg.train_dataloader.dataset = dict(type='luminet_det.OwnImages')
    cfg.custom_imports = None
    found = findings(tmp_path, runs.config_file(tmp_path / 'c.py', cfg))
    assert levels(found, 'FAIL') == set()
    assert levels(found, 'SKIP') == {'shared images', 'pixels'}
    assert 'OwnImages is not a LabelledImages' in found['images'][0]['found']
    assert found['step'][0]['level'] == 'OK'


def test_a_checkpoint_of_another_project_must_fit_too(tmp_path, config):
    state = small.build(small.setting()).network.state_dict()
    torch.save(dict(epoch=1, model=state), tmp_path / 'net.pth')
    found = findings(tmp_path, config, tmp_path / 'net.pth')
    assert found['student weights'][0]['found'] == f'{tmp_path / "net.pth"} fits'


def test_a_teacher_that_only_guesses_is_told_from_one_that_knows(teacher):
    model = small.build(small.distilling(teacher))
    model.start()
    batch = small.batch(64)
    logits = model.links[0].answer(model.data_preprocessor(batch, False)['inputs'], ('logits',)).logits
    batch['labels'] = logits.argmax(1)
    (finding,) = teachers.check_answers(model, batch)
    assert (finding.level, 'classifies 64 of 64 training images correctly' in finding.found) == ('OK', True)
    batch['labels'] = (batch['labels'] + 1) % 4
    (finding,) = teachers.check_answers(model, batch)
    assert (finding.level, 'model.teacher.classes' in finding.change) == ('WARN', True)
    assert 'classifies 0 of 64 training images correctly, and guessing would get 16.0 right' in finding.found


@MODELS.register_module()
class Probabilities(small.SmallNet):
    """A network that ends in a softmax."""

    def forward(self, x):
        outputs = super().forward(x)
        return outputs._replace(logits=outputs.logits.softmax(1))


@pytest.mark.parametrize('whose', ['student', 'teacher'])
def test_a_network_that_ends_in_a_softmax_is_warned_of(tmp_path, whose):
    plain = small.setting()
    soft = small.setting(network=dict(type='luminet_det.Probabilities'))
    student, of_teacher = (soft, plain) if whose == 'student' else (plain, soft)
    teacher = small.save_teacher(tmp_path / 'teacher.pth', of_teacher)
    model = small.build(small.distilling(teacher) | dict(network=student['network']))
    small.losses(model)
    (found,) = recipe.check_logits(model, small.batch())
    assert found.level == 'WARN'
    assert found.found.startswith('model.network' if whose == 'student' else 'the network of teacher 0')
    assert not list(recipe.check_logits(small.build(plain), small.batch()))


@pytest.mark.parametrize(
    ('change', 'warned'),
    [
        (lambda pixels: pixels, False),
        (lambda pixels: pixels.float(), False),
        (lambda pixels: pixels / 255, True),
        (lambda pixels: (pixels.float() - 120) / 60, True),
    ],
    ids=['uint8', 'floats of 0 to 255', '0 to 1', 'normalised'],
)
def test_images_that_are_normalised_already_are_warned_of(change, warned):
    batch = small.batch()
    found = [*recipe.check_pixels(small.build(small.setting()), dict(batch, inputs=change(batch['inputs'])))]
    assert [finding.level for finding in found] == ['WARN'] * warned


def test_labels_are_not_needed_beside_a_term_that_fixes_the_scale(teacher):
    luminet, kd = (dict(tap='logits', loss=dict(type=f'luminet_det.{name}')) for name in ('LumiNetLoss', 'KDLoss'))
    cfg = Config(dict(train_dataloader=dict(batch_size=64)))
    for terms, level in (([luminet], 'WARN'), ([luminet, kd], 'OK'), ([kd], 'OK')):
        model = small.build(small.distilling(teacher, terms, ce_weight=0.0))
        (finding,) = recipe.check(model, cfg, 640)
        assert finding.level == level


def test_the_page_shows_what_the_doctor_says():
    page = (small.ROOT / 'docs' / 'classifiers.md').read_text(encoding='utf-8')
    printed = page.partition('## Before a long run')[2].partition('\n## ')[0]
    assert set(re.findall(r'^(?:OK|WARN|FAIL|SKIP) +([a-z ]+): ', printed, re.M)) == {*CHECKS, *DISTILLING}
