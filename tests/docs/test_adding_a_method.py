"""docs/adding_a_method.md: its losses run, learn and get what they need, its test passes, its tables match the code."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from luminet_det.classification import DistillClassifier
from luminet_det.detection import DistillSingleStageDetector, DistillTwoStageDetector
from luminet_det.distillation.taps import NEEDS
from luminet_det.registry import MODELS
from tests import pairs, tiny
from tests.classification import small

PAGE = (Path(__file__).parents[2] / 'docs' / 'adding_a_method.md').read_text()
FILES = dict(re.findall(r'```python\n# (\S+)\n(.*?)```', PAGE, re.S))
CLASSES = dict(angle='AngleLoss', reversekl='ReverseKLLoss', centre='CentreLoss')
STUDENTS = (DistillClassifier, DistillTwoStageDetector, DistillSingleStageDetector)
WIDE = small.setting(network=dict(type='luminet_det.vgg8', num_classes=4))


def load(name, path, source):
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Loads the page's losses as modules of `luminet_det.losses` and registers them."""
    for name, kind in CLASSES.items():
        full = f'luminet_det.losses.{name}'
        monkeypatch.setitem(sys.modules, full, None)
        module = load(full, tmp_path / f'{name}.py', FILES[f'luminet_det/losses/{name}.py'])
        monkeypatch.setitem(MODELS.module_dict, kind, getattr(module, kind))


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('classifier') / 'teacher.pth')


def step_of(*setting):
    _, losses = learner(*setting)
    return losses()


def term(tap, kind, **settings):
    return dict(tap=tap, loss=dict(type=f'luminet_det.{kind}', **settings))


def learner(task, classifier, teacher, *terms):
    """A student for the task, and a function that returns its losses of a step, on the same batch each time."""
    if task == 'classifier':
        model = small.build(small.distilling(classifier, list(terms)))
        return model, lambda: small.losses(model)
    model = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, list(terms)))
    return model, lambda: pairs.step(model)


@pytest.mark.parametrize(('task', 'tap'), [('classifier', 'features'), ('detector', 'neck'), ('detector', 'backbone')])
def test_the_worked_example_trains_in_both_tasks(task, tap, package, classifier, teacher):
    model, losses = learner(task, classifier, teacher, term(tap, 'AngleLoss', tau=2.0))
    plain = small.build(small.setting()) if task == 'classifier' else pairs.build(tiny.faster_rcnn())
    assert list(model.state_dict()) == list(plain.state_dict())
    layers = list(model.adaptors.parameters())
    before = [layer.detach().clone() for layer in layers]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    values = []
    for _ in range(8):
        values.append(losses()['loss_angle'])
        optimizer.zero_grad()
        values[-1].backward()
        assert all(layer.grad.abs().sum() > 0 for layer in layers)
        optimizer.step()
    assert values[-1] < 0.95 * values[0]
    assert not any(torch.equal(old, new) for old, new in zip(before, layers, strict=True))


@pytest.mark.parametrize(('task', 'tap'), [('classifier', 'features'), ('detector', 'neck')])
def test_the_worked_example_gets_the_epoch(task, tap, package, classifier, teacher, monkeypatch):
    model, losses = learner(task, classifier, teacher, term(tap, 'AngleLoss'))
    seen, divergence = [], model.terms[0].loss.divergence
    monkeypatch.setattr(
        model.terms[0].loss, 'divergence', lambda *maps, epoch: seen.append(epoch) or divergence(*maps, epoch=epoch)
    )
    assert losses()['loss_angle'] > 0
    assert seen == [0]


@pytest.mark.parametrize(('task', 'tap'), [('classifier', 'logits'), ('detector', 'roi_cls')])
def test_the_loss_of_rows_takes_a_step_in_both_tasks(task, tap, package, classifier, teacher):
    assert step_of(task, classifier, teacher, term(tap, 'ReverseKLLoss', tau=2.0))['loss_reversekl'] > 0


def test_the_loss_that_needs_boxes_compares_the_cells_of_their_centres(package):
    maps = [torch.zeros(2, 3, 8, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    boxes = [torch.tensor([[8.0, 4, 16, 12], [40, 60, 52, 70]]), torch.zeros(0, 4)]
    loss = MODELS.build(dict(type='luminet_det.CentreLoss', loss_weight=3.0))
    value = loss(maps, [level.detach() + 2 for level in maps], boxes=boxes, strides=(8, 16))
    assert value.item() == pytest.approx(3 * (2 + 2) * 4 / 2)
    value.backward()
    places = [level.grad.abs().sum(1).nonzero().tolist() for level in maps]
    assert places == [[[0, 1, 1], [0, 7, 5]], [[0, 0, 0], [0, 4, 2]]]
    assert loss(maps, maps, boxes=[torch.zeros(0, 4)] * 2, strides=(8, 16)) == 0


def test_the_loss_that_needs_boxes_takes_a_step_of_a_detector(package, tmp_path):
    same_width = pairs.save_teacher(tmp_path / 'teacher.pth', tiny.faster_rcnn())
    assert step_of('detector', None, same_width, term('neck', 'CentreLoss'))['loss_centre'] > 0


def test_the_tests_of_the_page_pass(package, tmp_path):
    path = tmp_path / 'test_angle.py'
    path.write_text(FILES['tests/losses/test_angle.py'])
    assert pytest.main(['--noconftest', '-p', 'no:cacheprovider', str(path)]) == 0


def test_in_a_project_of_ones_own_the_three_changes_are_enough(tmp_path, monkeypatch):
    source = FILES['luminet_det/losses/angle.py']
    changed = re.sub(r'from \.(adaptors|maps|settings) ', r'from luminet_det.losses.\1 ', source)
    imported, registered = re.search(r'# angle.py\n(.*?)\n\n\n(@.*?)\nclass', PAGE, re.S).groups()
    changed = changed.replace('from torch import', f'{imported}\nfrom torch import', 1)
    changed = changed.replace('class AngleLoss', f'{registered}\nclass AngleLoss')
    monkeypatch.setitem(sys.modules, 'angle', None)
    monkeypatch.setitem(MODELS.module_dict, 'AngleLoss', None)
    monkeypatch.delitem(MODELS.module_dict, 'AngleLoss')
    load('angle', tmp_path / 'angle.py', changed)
    assert MODELS.build(dict(type='luminet_det.AngleLoss', tau=2.0)).tau == 2


def rows(start):
    table = PAGE[PAGE.index(f'| {start} |') :].partition('\n\n')[0]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()[2:]]


def test_the_table_of_needs_is_that_of_the_taps():
    found = {need.strip('`'): taps for need, _, taps in rows('need')}
    assert list(found) == list(NEEDS)
    taps = {name for student in STUDENTS for name in student.taps}
    for need, told in found.items():
        offering = {name for student in STUDENTS for name, tap in student.taps.items() if need in tap.offers}
        assert offering == (taps if told == 'every tap' else set(re.findall(r'`(\w+)`', told))), need


MISTAKES = {
    'There is no loss': ('classifier', [term('features', 'AngelLoss')]),
    'has no setting': ('classifier', [term('features', 'AngleLoss', taw=2.0)]),
    'AngleLoss compares feature maps': ('classifier', [term('logits', 'AngleLoss')]),
    'CentreLoss needs ground-truth boxes': ('classifier', [term('features', 'CentreLoss')]),
    'CentreLoss.needs names': ('detector', [term('neck', 'CentreLoss')]),
    'compares tensors of the same shape': ('classifier', [term('features', 'CentreLoss')]),
    'has no adaptor': ('classifier', [dict(term('features', 'AngleLoss'), stages=[-1])]),
    'the same number in both': ('classifier', [term('features', 'AngleLoss')]),
    'may learn layers for the shapes of a single teacher': ('classifier', [term('features', 'AngleLoss')]),
    'A term is logged as': ('detector', [term('roi_cls', 'ClsLoss')]),
}


@pytest.mark.parametrize('start', MISTAKES)
def test_the_errors_say_what_the_page_says(start, package, classifier, teacher, tmp_path, monkeypatch):
    (told,) = [message for message, _ in rows('message') if start in message]
    task, terms = MISTAKES[start]
    centre = MODELS.get('CentreLoss')
    if 'names' in start:
        monkeypatch.setattr(centre, 'needs', ('box',))
    if 'same shape' in start:
        monkeypatch.setattr(centre, 'needs', ())
    if 'adaptor' in start or 'same number' in start:
        classifier = small.save_teacher(tmp_path / 'vgg.pth', WIDE)
    if 'single teacher' in start:
        classifier = [classifier] * 2
    monkeypatch.setitem(MODELS.module_dict, 'ClsLoss', type('ClsLoss', (MODELS.get('ReverseKLLoss'),), {}))
    with pytest.raises((ValueError, RuntimeError)) as error:
        step_of(task, classifier, teacher, *terms)
    assert told in str(error.value)
