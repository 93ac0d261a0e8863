"""Every loss on each classifier tap that accepts it, in whole training steps on real digits."""

import copy
import io
import pickle
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel

from luminet_det.classification import DistillClassifier
from luminet_det.compat import checkpoints
from luminet_det.distillation.companions import Snapshot
from luminet_det.distillation.terms import Term
from tests import methods
from tests.classification import narrow, small
from tests.detection.test_processes import processes

EVERY = pytest.mark.parametrize('method', methods.CLASSIFIER, ids=str)
LEARNED = [method for method in methods.CLASSIFIER if method.learns]


@pytest.fixture(scope='module')
def teachers(tmp_path_factory):
    """Teacher settings by whether the loss bridges widths: True, twice as wide as the student; False, as narrow."""
    folder = tmp_path_factory.mktemp('teachers')
    widths = {True: narrow.WIDE, False: narrow.NARROW}
    return {bridges: narrow.save_teacher(folder / f'{bridges}.pth', of) for bridges, of in widths.items()}


@pytest.fixture(autouse=True)
def hub():
    """The message hub with what a Runner and TrainingLabelsHook write to it, which CRD needs."""
    return methods.hub('methods', training_labels=narrow.digits()[1])


@pytest.fixture(scope='module', params=methods.CLASSIFIER, ids=str)
def trained(request, teachers):
    """A method, its model after 30 training steps on the method's loss alone, and the loss of each step."""
    method = request.param
    methods.hub('training', training_labels=narrow.digits()[1])
    # Cross-entropy alone would also bring the student closer to a teacher that is right.
    model = build(method, teachers, ce_weight=0.0)
    optimizer = narrow.sgd(model)
    history = [model.train_step(data(method), optimizer)[f'raw_{method.name}'].item() for _ in range(30)]
    return SimpleNamespace(method=method, model=model, history=history)


def build(method, teachers, seed=0, **changes):
    return small.build(narrow.distilling(teachers[method.bridges], [method.term], **changes), seed)


def data(method, images=32):
    return narrow.batch(images, views=2 if method.loss == 'MLLDLoss' else 1)


def step(model, batch, seed=0):
    """Losses of a step whose random draws are seeded."""
    torch.manual_seed(seed)
    return small.losses(model, batch)


def gradients(loss, module):
    """Gradient of a loss for each parameter of a module, by name; None where the loss does not depend on it."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return dict(zip(names, found, strict=True))


def finite(loss, model):
    found = [gradient for gradient in gradients(loss, model).values() if gradient is not None]
    return bool(found) and loss.isfinite() and all(gradient.isfinite().all() for gradient in found)


def test_every_loss_that_a_tap_takes_has_a_line_in_the_table():
    taps = DistillClassifier.taps
    assert methods.left_out(methods.CLASSIFIER, taps, lambda setting: Term.from_setting(setting, taps)) == []


def test_every_loss_has_a_line_in_the_table_of_some_task():
    every = [*methods.CLASSIFIER, *methods.TWO_STAGE, *methods.SINGLE_STAGE]
    assert set(methods.LOSSES) <= {method.loss for method in every}


def test_in_30_steps_its_own_loss_falls(trained):
    assert sum(trained.history[-5:]) < 0.9 * sum(trained.history[:5])


def test_after_them_the_teacher_is_as_it_was(trained):
    teacher = trained.model.teachers[0]
    saved = checkpoints.load(teacher.checkpoint)['state_dict']
    for name, value in teacher.model.state_dict().items():
        assert torch.equal(value, saved[name]), name
    assert all(parameter.grad is None for parameter in teacher.model.parameters())
    assert not any(module.training for module in teacher.model.modules())


def test_after_them_all_that_it_learned_comes_back_from_a_checkpoint(trained, teachers, hub):
    method, model = trained.method, trained.model
    again, anew = (build(method, teachers, seed=7, ce_weight=0.0) for _ in range(2))
    for each in (again, anew):
        each.load_state_dict(model.state_dict())
    if method.learns:
        file = io.BytesIO()
        torch.save(copy.deepcopy(Snapshot(model.adaptors)), file)
        file.seek(0)
        hub.update_info(again.adaptors.kept_as, torch.load(file, weights_only=True))
    # The first model to take a step loads the state kept in the hub; the others stay as they are.
    theirs, mine, other = (step(each, data(method))[f'raw_{method.name}'] for each in (again, model, anew))
    assert torch.equal(mine, theirs)
    assert torch.isclose(mine, other, rtol=1e-3) == (not method.learns)


@EVERY
def test_its_gradient_reaches_the_student_and_all_that_it_learns(method, teachers):
    model = build(method, teachers)
    found = step(model, data(method))
    of_student = gradients(found[f'loss_{method.name}'], model.network)
    assert any(gradient is not None and gradient.any() for gradient in of_student.values())
    if method.learns:
        own = gradients(found[f'loss_{method.name}'], model.adaptors)
        assert all(gradient is not None for gradient in own.values()), own.keys()
        assert any(gradient.any() for gradient in own.values())


@EVERY
def test_the_students_running_statistics_move_as_without_it(method, teachers):
    plain, model = small.build(narrow.setting()), build(method, teachers)
    batch = data(method)
    for each in (plain, model):
        step(each, batch)
    moved = dict(model.network.named_buffers())
    for name, value in plain.network.named_buffers():
        assert torch.equal(moved[name], value), name


@EVERY
def test_in_bf16_loss_and_gradient_are_finite_and_the_loss_is_float32(method, teachers):
    model = build(method, teachers)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = step(model, data(method))
    assert found[f'raw_{method.name}'].dtype == torch.float32
    assert finite(found[f'loss_{method.name}'], model)


@EVERY
def test_of_one_image_loss_and_gradient_are_finite(method, teachers):
    # The last maps have 4x4 pixels, so the student's norms have enough values for statistics.
    model = build(method, teachers)
    assert finite(step(model, data(method, images=1))[f'loss_{method.name}'], model)


@EVERY
def test_a_student_equal_to_its_teacher_gets_zero_where_that_must_be(method, teachers):
    teacher = dict(teachers[False], batch_statistics=True)
    model = build(method, {method.bridges: teacher})
    model.load_state_dict(checkpoints.load(teacher['checkpoint'])['state_dict'])
    raw = step(model, data(method))[f'raw_{method.name}'].item()
    assert raw > 1e-3 if method.never_zero else raw == pytest.approx(0, abs=1e-5)


def train_rank(rank, config):
    model = small.build(config)
    # DDP raises an error in the second step if a parameter got no gradient in the first.
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=False)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01)
    torch.manual_seed(rank)
    for _ in range(2):
        halves = {name: value.chunk(2)[rank] for name, value in narrow.batch().items()}
        found = wrapped(**model.data_preprocessor(halves, True), mode='loss')
        optimizer.zero_grad()
        model.parse_losses(found)[0].backward()
        optimizer.step()
    parameters = dict(model.named_parameters())
    memories = [value for name, value in model.adaptors.named_buffers() if 'memory' in name]
    gradients = {name: parameter.grad for name, parameter in parameters.items()}
    return dict(parameters=parameters, gradients=gradients, memories=memories, value=found['raw_kd'].item())


def test_on_two_processes_all_that_losses_learn_agrees(teachers, tmp_path):
    terms = [method.term for method in LEARNED if method.bridges]
    kd = dict(tap='logits', loss=dict(type='luminet_det.KDLoss'))
    first, second = processes(train_rank, narrow.distilling(teachers[True], [*terms, kd]), folder=tmp_path)
    assert first['value'] != second['value']
    assert len({name.split('.')[1] for name in first['gradients'] if name.startswith('adaptors.')}) == len(terms)
    for what in ('gradients', 'parameters'):
        for name, mine in first[what].items():
            assert torch.equal(mine, second[what][name]), name
    assert first['memories']
    assert all(torch.equal(*both) for both in zip(first['memories'], second['memories'], strict=True))


def rank_alone(rank, config):
    model = small.build(config)
    both = narrow.batch(views=2)
    # Each view is split by itself, so that a rank has both views of its images.
    inputs = torch.cat([view.chunk(2)[rank] for view in both['inputs'].chunk(2)])
    half = {name: value.chunk(2)[rank] for name, value in both.items()} | dict(inputs=inputs)
    found = small.losses(model, half)
    return {name: value.item() for name, value in found.items() if name.startswith('raw_')}


def test_on_two_processes_what_learns_nothing_compares_the_images_of_its_own(teachers, tmp_path):
    terms = [method.term for method in methods.CLASSIFIER if method not in LEARNED and method.bridges]
    config = narrow.distilling(teachers[True], terms)
    for rank, found in enumerate(processes(rank_alone, config, folder=tmp_path)):
        assert len(found) == len(terms)
        assert found == pytest.approx(rank_alone(rank, config), rel=1e-5)


def test_terms_combine_two_on_one_tap_and_one_on_each_of_the_others(teachers):
    chosen = ('DKDLoss', 'LSKDLoss', 'ReviewKDLoss', 'CRDLoss')
    terms = [method for method in methods.CLASSIFIER if method.loss in chosen]
    batch, alone = narrow.batch(), {}
    for method in terms:
        alone |= {f'loss_{method.name}': step(build(method, teachers), batch)[f'loss_{method.name}']}
    model = small.build(narrow.distilling(teachers[True], [method.term for method in terms]))
    found = step(model, batch)
    total = model.parse_losses(found)[0].item()
    assert total == pytest.approx(found['loss_ce'].item() + sum(found[name].item() for name in alone), rel=1e-5)
    for name, value in alone.items():
        # Learned layers start from, and CRD's negatives are, random numbers that depend on earlier draws.
        same = name in ('loss_dkd', 'loss_lskd')
        assert found[name].item() == pytest.approx(value.item(), rel=1e-5 if same else 0.5), name
        assert f'raw_{name.removeprefix("loss_")}' in found


def term(tap, loss, /, options=None, **settings):
    return dict(options or {}, tap=tap, loss=dict(type=f'luminet_det.{loss}', **settings))


CRD = term('embedding', 'CRDLoss', num_samples=64, num_negatives=16)


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (term('logits', 'KDLoss', use_sigmoid=True), r'exclude each other\. Remove use_sigmoid=True'),
        (term('logits', 'DKDLoss', beta=8.0), r"no setting 'beta'\. Here it is non_target_weight"),
        (term('logits', 'KDLoss', T=4), r"no setting 'T'\. Did you mean 'tau'"),
        (
            dict(term('logits', 'KDLoss'), tap=['logits', 'features']),
            r'is not the name of one tap; write one term for each',
        ),
        (dict(kd=term('logits', 'KDLoss'), tap='', loss=dict(type='')), r'a list of terms without names.*not kd=dict'),
        (dict(tap='logits', loss=dict(type='mmdet.FocalLoss')), r'takes labels as its target, but the tap .logits.'),
        (term('neck', 'FitNetLoss'), r"no tap 'neck'; known taps: logits, features, embedding"),
        (term('embedding', 'LumiNetLoss'), r'compares class logits .* gives embeddings .*Use a loss for these, e\.g\.'),
        (term('logits', 'RKDLoss'), r"compares embeddings .* gives class logits .*e\.g\. loss=dict\(type='luminet_det"),
        (term('features', 'FGDLoss'), r'ground-truth boxes .*which the feature taps of detectors .*give'),
        (term('features', 'FGFILoss'), r'ground-truth boxes .*which the feature taps of detectors .*give'),
        (term('features', 'FCFDDetLoss'), r"box heads .*the tap 'neck' of two-stage detectors gives.*det\.FCFDLoss on"),
        (term('features', 'PKDLoss'), r"of the same width, or a loss that learns to bridge them, such as '.*FitNet"),
        (term('logits', 'MLLDLoss'), r'two views .*transforms=\[\[weak \.\.\.\], \[strong \.\.\.\]\] .*or set views=1'),
        (dict(CRD, loss=dict(CRD['loss'], num_samples=50)), r'Set num_samples=64 in the loss'),
    ],
    ids=lambda value: value['loss']['type'] if isinstance(value, dict) else '',
)
def test_what_makes_no_sense_is_an_error_that_says_what_to_write(teachers, setting, message):
    with pytest.raises(ValueError, match=message):
        step(small.build(narrow.distilling(teachers[True], [setting])), narrow.batch())


def test_crd_without_places_of_the_images_names_what_gives_them(teachers):
    model = small.build(narrow.distilling(teachers[True], [CRD]))
    batch = narrow.batch()
    del batch['index']
    with pytest.raises(ValueError, match=r'its samples need an `index` .*as those of luminet_det have'):
        step(model, batch)


def test_crd_without_the_training_sets_classes_names_the_hook(teachers):
    model = small.build(narrow.distilling(teachers[True], [CRD]))
    MessageHub.get_current_instance().runtime_info.pop('training_labels')
    with pytest.raises(ValueError, match=r"Add dict\(type='luminet_det.TrainingLabelsHook'\) to custom_hooks"):
        step(model, narrow.batch())


@pytest.mark.parametrize('loss', ['FitNetLoss', 'ReviewKDLoss', 'ATLoss'])
def test_networks_of_unlike_numbers_of_stages_are_refused_with_the_stages_to_choose(teachers, loss):
    few = small.distilling(teachers[True], [term('features', loss)], num_classes=narrow.CLASSES)
    with pytest.raises(ValueError, match=r'2 stages in the student.* 4 in the teacher.*stages=\[1\].*stages=\[-1\]'):
        step(small.build(few), narrow.batch())


@pytest.mark.parametrize('loss', ['FitNetLoss', 'CWDLoss', 'MGDLoss'])
def test_sizes_that_no_adaptor_bridges_are_listed_with_the_option_to_change(teachers, loss):
    # The student's map has 8x8 pixels, the teacher's 32x32.
    unlike = term('features', loss, dict(stages=[1]))
    model = small.distilling(teachers[True], [unlike], num_classes=narrow.CLASSES)
    with pytest.raises(ValueError, match=r'no adaptor .*\(8, 8, 8\).*\(8, 32, 32\).*stages=\[\.\.\.\]'):
        small.build(model)


def seen_by(setting):
    black = torch.zeros(32, 3, 32, 32, dtype=torch.uint8)
    return small.losses(small.build(setting), dict(narrow.batch(), inputs=black))


@pytest.mark.parametrize('loss', ['FitNetLoss', 'ATLoss'])
def test_the_tokens_of_a_transformer_are_no_maps(teachers, loss):
    deit = dict(type='luminet_det.deit_compact_32px', num_classes=narrow.CLASSES)
    setting = small.distilling(teachers[True], [term('features', loss, dict(stages=[-1]))], network=deit)
    with pytest.raises(ValueError, match=r"tokens of a transformer, not maps.*Use the tap 'logits' or 'embedding'"):
        seen_by(setting)


def test_fcfd_of_a_transformer_names_the_networks_that_it_can_run(teachers):
    deit = dict(type='luminet_det.deit_compact_32px', num_classes=narrow.CLASSES)
    with pytest.raises(ValueError, match=r'stage by stage, which DeiT does not support.*Choose one of these, or'):
        small.build(small.distilling(teachers[True], [term('features', 'FCFDLoss')], network=deit))


def test_a_student_in_double_precision_learns(teachers):
    kd = next(method for method in methods.CLASSIFIER if method.loss == 'KDLoss')
    model = build(kd, teachers).double()
    losses = small.losses(model, data(kd))
    model.parse_losses(losses)[0].backward()
    again = small.losses(model, data(kd))
    assert 0 < again['gradient_share_kd'] < 1


def test_after_a_step_of_fcfd_a_copy_holds_no_teacher(teachers):
    fcfd = next(method for method in methods.CLASSIFIER if method.loss == 'FCFDLoss')
    model = build(fcfd, teachers)
    step(model, data(fcfd))
    (own,) = model.links
    (of_copy,) = copy.deepcopy(model).links
    assert of_copy.networks.teacher.network is own.networks.teacher.network
    assert len(pickle.dumps(model)) < 1.2 * len(pickle.dumps(build(fcfd, teachers)))
