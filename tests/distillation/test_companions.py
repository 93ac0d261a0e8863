"""What a loss learns trains with the student, stays out of the student's state dict, and survives a kill."""

import copy
import signal
import sys
from contextlib import suppress

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage, MMDistributedDataParallel
from mmengine.runner.checkpoint import load_state_dict

from luminet_det.compat import checkpoints
from luminet_det.distillation.announcement import announcement
from luminet_det.distillation.companions import Snapshot, evaluating
from tests import pairs, runs, tiny
from tests.classification import small
from tests.detection.test_processes import processes
from tests.learner import FEATURES, LEARNER, NECK
from tools import train

WIDE = tiny.faster_rcnn(neck_channels=24, base_channels=16)


@pytest.fixture(scope='module')
def wide_teacher(tmp_path_factory):
    return pairs.save_teacher(tmp_path_factory.mktemp('wide') / 'teacher.pth', WIDE)


@pytest.fixture(scope='module')
def classifier_teacher(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('classifier') / 'teacher.pth')


@pytest.fixture
def detector(wide_teacher):
    return pairs.build(pairs.distilling(tiny.faster_rcnn(), wide_teacher, NECK))


def of_student(model):
    return {name for name, _ in model.named_parameters() if not name.startswith('adaptors.')}


def test_a_loss_that_learns_bridges_widths_and_gets_its_gradient(detector):
    pairs.total(detector, pairs.step(detector)).backward()
    layers = detector.terms[0].loss.layers
    assert [tuple(layer.weight.shape[:2]) for layer in layers] == [(24, 16)] * 5
    assert all(layer.weight.grad.abs().sum() > 0 for layer in layers)


def test_an_optimizer_built_from_the_model_trains_it(detector):
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.01)
    before = detector.terms[0].loss.layers[0].weight.clone()
    pairs.total(detector, pairs.step(detector)).backward()
    optimizer.step()
    assert not torch.equal(before, detector.terms[0].loss.layers[0].weight)


def test_the_state_dict_is_the_plain_students(detector):
    plain = pairs.build(tiny.faster_rcnn())
    assert list(detector.state_dict()) == list(plain.state_dict())
    assert detector.state_dict()._metadata.keys() - {'adaptors'} == plain.state_dict()._metadata.keys()
    plain.load_state_dict(detector.state_dict(), strict=True)
    # With torch's function and with mmengine's.
    detector.load_state_dict(plain.state_dict(), strict=True)
    load_state_dict(detector, plain.state_dict(), strict=True)


def test_a_weight_that_is_truly_missing_is_still_an_error(detector):
    state = detector.state_dict()
    del state['rpn_head.rpn_conv.weight']
    with pytest.raises(RuntimeError, match=r'Missing.*rpn_head.rpn_conv.weight'):
        detector.load_state_dict(state, strict=True)


def test_building_it_moves_no_running_statistic_and_no_random_number(wide_teacher):
    plain = pairs.build(tiny.faster_rcnn())
    after_plain = torch.rand(3)
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), wide_teacher, NECK))
    assert torch.equal(torch.rand(3), after_plain)
    for (name, mine), theirs in zip(detector.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    assert all(module.training for module in detector.modules())


def test_the_students_initialisation_is_not_that_of_what_losses_learn(wide_teacher):
    config = pairs.distilling(tiny.faster_rcnn(), wide_teacher, NECK)
    config['init_cfg'] = dict(type='Constant', layer='Conv2d', val=0.5)
    detector = pairs.build(config)
    alike = pairs.build(pairs.distilling(tiny.faster_rcnn(), wide_teacher, NECK))
    for name, value in detector.adaptors.named_parameters():
        assert torch.equal(value, dict(alike.adaptors.named_parameters())[name]), name
    assert [name for name, _ in detector.named_parameters()] == [name for name, _ in alike.named_parameters()]


@pytest.mark.parametrize('gone', ['luminet_det.NotRegistered', 'NotInstalled'])
def test_without_the_package_of_the_teacher_the_student_is_built_and_does_not_train(wide_teacher, monkeypatch, gone):
    if gone == 'NotInstalled':
        monkeypatch.setitem(sys.modules, 'timm', None)
        gone = 'luminet_det.TimmBackbone'
    config = copy.deepcopy(WIDE)
    config['backbone'] = dict(type=gone, model_name='resnet18', out_indices=(1, 2, 3, 4))
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(wide_teacher, config=config), NECK))
    inputs, samples = pairs.batch(detector)
    assert len(detector.eval().predict(inputs, samples)) == 2
    with pytest.raises((ImportError, KeyError), match='timm|NotRegistered'):
        pairs.step(detector.train())


def test_evaluation_for_an_example_ends_with_the_modes_there_were():
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.Dropout())
    model[1].eval()
    with suppress(RuntimeError), evaluating(model):
        assert not model[0].training
        raise RuntimeError('too small')
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def test_without_the_teachers_files_the_student_is_built_and_predicts_but_does_not_train():
    gone = dict(config='gone.py', checkpoint='gone.pth')
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), gone, NECK))
    inputs, samples = pairs.batch(detector)
    assert len(detector.eval().predict(inputs, samples)) == 2
    with pytest.raises(FileNotFoundError, match=r'gone\.py'):
        pairs.step(detector.train())


def test_a_copy_for_averaging_has_the_students_keys_and_its_own_adaptors(detector):
    pairs.total(detector, pairs.step(detector)).backward()
    average = ExponentialMovingAverage(detector, momentum=0.5)
    average.update_parameters(detector)
    assert list(average.module.state_dict()) == list(detector.state_dict())
    assert average.module.teachers[0] is detector.teachers[0]
    clone = copy.deepcopy(detector)
    assert clone.adaptors[0] is clone.terms[0].loss
    assert clone.adaptors[0] is not detector.adaptors[0]


def test_it_moves_with_the_student(detector):
    detector.double()
    assert detector.terms[0].loss.layers[0].weight.dtype == torch.float64
    assert detector.terms[0].loss.calls.dtype == torch.float64


def test_the_announcement_counts_its_parameters(detector):
    detector.start()
    told = announcement(detector.teachers, detector.links, detector._named_terms())
    assert f'{5 * (16 * 24 + 24):,} additional parameters' in told


def test_an_ensemble_cannot_be_bridged(wide_teacher):
    with pytest.raises(
        ValueError, match='LearnerLoss may learn layers for the shapes of a single teacher; the model has 2'
    ):
        pairs.build(pairs.distilling(tiny.faster_rcnn(), [wide_teacher, wide_teacher], NECK))


def test_maps_of_other_widths_are_refused_where_a_loss_does_not_bridge_them(wide_teacher):
    term = dict(tap='neck', loss=dict(type='luminet_det.PKDLoss'))
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), wide_teacher, term))
    with pytest.raises(ValueError, match=r'16 channels in the student and 24.*FitNetLoss'):
        pairs.step(detector)


@pytest.fixture(scope='module')
def whole(tmp_path_factory, classifier_teacher):
    folder = tmp_path_factory.mktemp('whole')
    return folder, trained(folder, classifier_teacher)


def trained(folder, teacher, *argv, **changes):
    model = small.distilling(teacher, [FEATURES, dict(tap='features', stages=[-1], loss=LEARNER, warmup=2)])
    path = small.runner_config(folder, model, **changes)
    cfg = path.read_text().replace("'tests.classification.small'", "'tests.classification.small', 'tests.learner'")
    path.write_text(cfg)
    return runs.run(train.main, [path, '--work-dir', folder / 'work', *argv], folder)


def checkpoint(folder, name='epoch_2.pth'):
    return checkpoints.load(folder / 'work' / name)


def test_a_checkpoint_holds_the_plain_student_and_what_the_losses_learned_beside_it(whole):
    folder, finished = whole
    assert finished.code == 0, finished.text
    saved = checkpoint(folder)
    small.build(small.setting()).load_state_dict(saved['state_dict'], strict=True)
    first, second = saved['message_hub']['runtime_info']['luminet_det.adaptors']
    assert (first['calls'], second['calls']) == (6, 6)
    assert first['layers.0.weight'].shape == (12, 8, 1, 1)


@pytest.mark.parametrize('iteration', [1, 4])
def test_a_killed_run_resumes_exactly(whole, classifier_teacher, tmp_path, iteration):
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=iteration)
    changes = {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.killer': hook}
    assert trained(tmp_path, classifier_teacher, **changes).code == -signal.SIGKILL
    changes['default_hooks.killer'] = dict(hook, iteration=-1)
    resumed = trained(tmp_path, classifier_teacher, '--resume', **changes)
    assert resumed.code == 0, resumed.text
    mine, theirs = checkpoint(tmp_path, 'iter_6.pth'), checkpoint(whole[0])
    for name, value in theirs['state_dict'].items():
        assert torch.equal(mine['state_dict'][name], value), name
    states = (saved['message_hub']['runtime_info']['luminet_det.adaptors'] for saved in (mine, theirs))
    for own, other in zip(*states, strict=True):
        assert all(torch.equal(own[name], other[name]) for name in other)


@pytest.mark.parametrize('change', [lambda states: states * 2, lambda states: [{'calls': torch.zeros(())}]])
def test_the_adaptors_of_a_checkpoint_of_other_terms_are_refused(detector, change):
    hub = MessageHub.get_instance('resumed')
    hub.update_info('loop_stage', 'train')
    hub.update_info('luminet_det.adaptors', change(copy.deepcopy(Snapshot(detector.adaptors))))
    with pytest.raises(RuntimeError, match='adaptors in the checkpoint to resume do not match `teacher` and `distill`'):
        pairs.step(detector)


def short_run(folder, teacher, terms, *flags, epochs):
    path = small.runner_config(folder, small.distilling(teacher, terms), epochs=epochs)
    path.write_text(path.read_text().replace("classification.small'", "classification.small', 'tests.learner'"))
    return runs.run(train.main, [path, '--work-dir', folder / 'work', *flags], folder)


KD = dict(tap='logits', loss=dict(type='luminet_det.KDLoss'))


@pytest.mark.parametrize(('before', 'after'), [([FEATURES], [KD]), ([KD], [KD, FEATURES])])
def test_a_run_with_other_learned_terms_does_not_resume_a_checkpoint(before, after, classifier_teacher, tmp_path):
    first = short_run(tmp_path, classifier_teacher, before, epochs=1)
    assert first.code == 0, first.text
    resumed = short_run(tmp_path, classifier_teacher, after, '--resume', epochs=2)
    assert resumed.code == 1
    assert 'adaptors in the checkpoint to resume do not match `teacher` and `distill`' in resumed.text
    assert 'load_from=<checkpoint>' in resumed.text


def test_a_checkpoint_holds_what_a_resting_term_would_learn_and_resumes(classifier_teacher, tmp_path):
    resting = [dict(FEATURES, loss=dict(LEARNER, loss_weight=0))]
    assert short_run(tmp_path, classifier_teacher, resting, epochs=1).code == 0
    saved = checkpoint(tmp_path, 'epoch_1.pth')['message_hub']['runtime_info']['luminet_det.adaptors']
    assert saved[0]['layers.0.weight'].shape == (12, 8, 1, 1)
    resumed = short_run(tmp_path, classifier_teacher, resting, '--resume', epochs=2)
    assert resumed.code == 0, resumed.text


@pytest.mark.parametrize(
    ('terms', 'told', 'calls'),
    [
        ([FEATURES], 'The adaptors are loaded from load_from', 6),
        ([FEATURES] * 2, 'The adaptors of load_from are not loaded', 3),
    ],
)
def test_learned_parts_come_along_with_load_from_where_they_fit(classifier_teacher, tmp_path, terms, told, calls):
    assert short_run(tmp_path / 'first', classifier_teacher, [FEATURES], epochs=1).code == 0
    first = tmp_path / 'first' / 'work' / 'epoch_1.pth'
    flags = ('--cfg-options', f'load_from={first}')
    second = short_run(tmp_path / 'second', classifier_teacher, terms, *flags, epochs=1)
    assert second.code == 0, second.text
    assert told in second.text
    saved = checkpoint(tmp_path / 'second', 'epoch_1.pth')['message_hub']['runtime_info']['luminet_det.adaptors']
    assert saved[0]['calls'] == calls


def train_rank(rank, model):
    detector = pairs.build(model)
    wrapped = MMDistributedDataParallel(detector, broadcast_buffers=False, find_unused_parameters=False)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01)
    for _ in range(3):
        inputs, samples = pairs.batch(detector, seed=rank)
        optimizer.zero_grad()
        pairs.total(detector, wrapped(inputs, samples, mode='loss')).backward()
        optimizer.step()
    return {name: p.detach() for name, p in detector.named_parameters()}


def test_on_two_processes_its_weights_agree_also_after_the_term_has_ended(wide_teacher, tmp_path):
    model = pairs.distilling(tiny.faster_rcnn(), wide_teacher, [dict(NECK, stop=1), pairs.TERM])
    first, second = processes(train_rank, model, folder=tmp_path)
    assert any(name.startswith('adaptors.') for name in first)
    for name, mine in first.items():
        assert torch.equal(mine, second[name]), name
