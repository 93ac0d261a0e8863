"""The configs of every method take a step: classifiers with their real networks, and the quickstart's detectors."""

import functools
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper

from luminet_det.registry import MODELS
from tests import pairs
from tests.classification_configs import METHODS, ROOT, every, of_folder, parsed

QUICKSTART = ROOT / 'configs' / 'quickstart'
STUDENTS = sorted(QUICKSTART.glob('*_student.py'))
# More pairs, whose student and teacher differ in the sizes of their maps or in where their networks are cut.
OTHERS = [
    'fitnet_mobilenetv2_half-resnet50_32px',
    'at_mobilenetv2_half-resnet50_32px',
    'crd_mobilenetv2_half-resnet50_32px',
    'ofd_mobilenetv2_half-resnet50_32px',
    'reviewkd_mobilenetv2_half-resnet50_32px',
    'fcfd_mobilenetv2_half-resnet50_32px',
    'fitnet_shufflenetv2-resnet32x4',
    'ofd_shufflenetv1-wrn_40_2',
    'reviewkd_shufflenetv1-wrn_40_2',
    'fcfd_shufflenetv2-resnet32x4',
    'fcfd_vgg8-vgg13',
    'fcfd_wrn_40_1-wrn_40_2',
    'ofd_mobilenetv1-resnet50',
    'reviewkd_mobilenetv1-resnet50',
    'fcfd_mobilenetv1-resnet50',
    'mgd_mobilenetv1-resnet50',
    'sp_mobilenetv2_half-resnet50_32px',
    'fitnet_vgg8-resnet50_32px',
    'at_vgg8-resnet50_32px',
    'mlld_ls_mobilenetv2_half-wrn_40_2',
    'dkd_ls_wrn_40_2-resnet32x4',
]
STEPS = [path for path in METHODS if path.stem.endswith(('_resnet8x4-resnet32x4', '_resnet18-resnet34'))]
STEPS += [path for path in METHODS if path.stem in OTHERS]
every_student = pytest.mark.parametrize('path', STUDENTS, ids=lambda path: path.stem)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Returns a function that saves random weights for a plain config's network."""
    folder = tmp_path_factory.mktemp('weights')

    @functools.cache
    def save(name: str) -> str:
        path = folder / f'{Path(name).stem}.pth'
        config = parsed(ROOT / name)
        meta = dict(dataset_meta=dict(classes=names(config.model.network.num_classes)))
        state = MODELS.build(config.model | dict(init_cfg=None)).state_dict()
        torch.save(dict(meta=meta, state_dict=state), path)
        return str(path)

    return save


def names(number: int) -> tuple[str, ...]:
    """Names of that many classes."""
    return tuple(map(str, range(number)))


def training(classes: tuple[str, ...], **info) -> None:
    """Publish to the message hub what a Runner publishes while it trains."""
    hub = MessageHub.get_instance('steps')
    hub.update_info_dict(dict(loop_stage='train', iter=0, epoch=0, dataset_meta=dict(classes=classes), **info))


def test_every_method_is_among_the_steps():
    assert {path.parent for path in STEPS} == {path.parent for path in METHODS}
    assert len(STEPS) == 15 + 10 + len(OTHERS)


@every(STEPS)
def test_a_classifier_takes_a_step_that_changes_all_that_it_trains(path, weights):
    config = parsed(path)
    training(names(config.model.network.num_classes), training_labels=torch.arange(100) % 10)
    if not config.model.teacher.get('trainable'):
        config.model.teacher.checkpoint = weights(config.model.teacher.config)
    for term in config.model.distill:
        if term.loss.type == 'luminet_det.CRDLoss':
            term.loss |= dict(num_samples=100, num_negatives=16)
    views = config.train_dataloader.dataset.transforms
    views = len(views) if isinstance(views[0], list) else 1
    torch.manual_seed(0)
    model = MODELS.build(config.model | dict(init_cfg=None)).train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    inputs = torch.randint(256, (4 * views, 3, 32, 32), dtype=torch.uint8)
    batch = dict(inputs=inputs, labels=torch.tensor([0, 1, 2, 0]), index=torch.arange(4))
    losses = model.train_step(batch, build_optim_wrapper(model, config.optim_wrapper))
    assert all(losses[f'loss_{name}'] > 0 for name in model.term_names)
    assert losses['loss'].isfinite()
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    # A step of FCFD crosses only some of the bridges to the student; biases of the others stay 0, without decay.
    assert all('.to_student.' in name and name.endswith('.bias') for name in still)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_the_two_views_are_those_of_the_strong_augmentation():
    strong = parsed(ROOT / 'configs/cifar100/strong_augmentation/luminet_vgg8-vgg13_two_views.py')
    transforms = strong.train_dataloader.dataset.transforms
    found = [path for path in METHODS if path.parent.name in ('mlld', 'mlld_ls')]
    for path in found:
        views = parsed(path).train_dataloader.dataset.transforms
        if of_folder(path) == 'cifar100':
            assert views == transforms
        else:
            # The square covers up to half of the width of the image, as there.
            assert views[1][3] == transforms[1][3] | dict(size=(0, 112))
            assert views[1][2] == transforms[1][2]


@every_student
def test_a_student_of_the_digits_takes_a_step(path, tmp_path):
    model = Config.fromfile(path).model
    taught_by = QUICKSTART / ('takd_assistant.py' if path.stem == 'takd_student' else 'teacher.py')
    teacher = Config.fromfile(taught_by).model
    assert Path(model.teacher.config).samefile(taught_by)
    if not model.teacher.get('trainable'):
        saved = pairs.save_teacher(tmp_path / 'teacher.pth', teacher.to_dict(), classes=names(10))
        model.teacher.checkpoint = saved['checkpoint']
    training(names(10))
    detector = pairs.build(model.to_dict())
    losses = pairs.step(detector)
    assert detector.term_names
    assert all(losses[f'loss_{name}'] > 0 for name in detector.term_names)
    total = pairs.total(detector, losses)
    total.backward()
    assert total.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())


@every_student
def test_a_student_of_the_digits_is_the_plain_one_that_listens(path):
    plain, config = Config.fromfile(QUICKSTART / 'student.py').to_dict(), Config.fromfile(path).to_dict()
    model, plain_model = config.pop('model'), plain.pop('model')
    assert config == plain
    added = {key for key in model if model[key] != plain_model.get(key)}
    wider = {'neck', 'rpn_head', 'roi_head'} if path.stem == 'pkd_student' else set()
    assert added == {'type', 'teacher', 'distill'} | wider


def test_the_quickstarts_page_lists_its_students():
    readme = (QUICKSTART / 'README.md').read_text()
    assert {path.name for path in QUICKSTART.glob('*.py')} == set(re.findall(r'`(\w+\.py)`', readme))
