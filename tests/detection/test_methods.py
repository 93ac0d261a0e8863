"""Every loss on every tap of a detector, in whole training steps on scenes of real digits."""

import copy
import io
from functools import cache
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

from luminet_det import detection
from luminet_det.compat import checkpoints
from luminet_det.distillation.companions import Snapshot
from luminet_det.distillation.terms import Term
from luminet_det.quickstart.digits import CLASSES, draw_scene, load_scans
from tests import dense, methods, pairs, tiny
from tests.detection.test_processes import processes

TASKS = dict(two_stage=methods.TWO_STAGE, single_stage=methods.SINGLE_STAGE)
STUDENTS = dict(
    two_stage=detection.DistillTwoStageDetector,
    single_stage=detection.DistillSingleStageDetector,
)

KIND = pytest.mark.parametrize('kind', TASKS)
# One entry for each loss, which is trained on all taps that take it at once.
EVERY = [
    (kind, [method for method in table if method.loss == loss])
    for kind, table in TASKS.items()
    for loss in dict.fromkeys(method.loss for method in table)
]


def plain(kind, wide=False):
    """The config of a plain detector; a wide one has twice the channels."""
    base, channels = (16, 24) if wide else (8, 16)
    if kind == 'two_stage':
        return tiny.faster_rcnn(len(CLASSES), base, channels)
    return dense.model('retinanet', len(CLASSES), base, channels)


@cache
def scenes(size):
    """Four scenes of digits, each as an image (3, size, size) in uint8, its boxes and their classes."""
    scans, labels = load_scans()
    found = []
    for seed in range(4):
        scene, boxes, chosen = draw_scene(scans, np.random.default_rng(seed))
        image = torch.from_numpy(cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)
        boxes = torch.tensor(boxes).float() * size / len(scene)
        boxes[:, 2:] += boxes[:, :2]
        found.append((image.contiguous(), boxes, torch.from_numpy(labels[chosen]).long()))
    return found


def batch(images=2, empty=False, size=64):
    """A batch as a dataloader gives it; if `empty`, its images are without objects."""
    inputs, samples = [], []
    for image, boxes, labels in scenes(size)[:images]:
        truth = InstanceData(bboxes=boxes[: 0 if empty else None], labels=labels[: 0 if empty else None])
        shape = dict(img_shape=(size, size), ori_shape=(size, size), scale_factor=(1.0, 1.0))
        samples.append(DetDataSample(gt_instances=truth, metainfo=shape))
        inputs.append(image.clone())
    return dict(inputs=inputs, data_samples=samples)


def sgd(model, lr=0.005):
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9))


@pytest.fixture(scope='module')
def teachers(tmp_path_factory):
    """A function that trains a teacher for a few steps, wider than the student if the loss bridges widths."""

    @cache
    def teacher(kind, bridges):
        config = plain(kind, wide=bridges)
        model = pairs.build(config, seed=1)
        optimizer = sgd(model)
        for _ in range(20):
            model.train_step(batch(), optimizer)
        # After so few steps the logits are still close together, so the last layer gets random weights.
        of_classes = model.roi_head.bbox_head.fc_cls if kind == 'two_stage' else model.bbox_head.retina_cls
        torch.nn.init.normal_(of_classes.weight, std=0.2)
        path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
        torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES))), path)
        return dict(config=config, checkpoint=str(path))

    return teacher


@pytest.fixture(autouse=True)
def hub():
    return methods.hub('methods')


@pytest.fixture(scope='module', params=EVERY, ids=lambda param: f'{param[0]}-{param[1][0].name}')
def trained(request, teachers):
    """A model after 30 steps with one loss alone, and the raw value of each term in each step."""
    kind, table = request.param
    model = build(kind, table, teachers(kind, table[0].bridges))
    optimizer = sgd(model)
    torch.manual_seed(0)
    history = {name: [] for name in model.term_names}
    for _ in range(30):
        # Without the detector's own losses, which would move the features and bring the logits closer to the teacher's.
        found = model(**model.data_preprocessor(batch(), True), mode='loss')
        optimizer.update_params(sum(found[f'loss_{name}'] for name in history))
        for name, values in history.items():
            values.append(found[f'raw_{name}'].item())
    return SimpleNamespace(model=model, history=history)


def distilling(kind, teacher, terms):
    """The config of a distilling detector."""
    return dict(plain(kind), type=f'luminet_det.{STUDENTS[kind].__name__}', teacher=teacher, distill=terms)


def build(kind, table, teacher, seed=0):
    return pairs.build(distilling(kind, teacher, [method.term for method in table]), seed)


@pytest.fixture
def with_all(teachers):
    """A function: a student with every method, or every one that bridges to a wide teacher, and these by term name."""

    def make(kind, wide=False):
        table = [method for method in TASKS[kind] if method.bridges or not wide]
        model = build(kind, table, teachers(kind, wide))
        return model, dict(zip(model.term_names, table, strict=True))

    return make


def step(model, data=None, seed=0):
    """The losses of a step with seeded random draws."""
    torch.manual_seed(seed)
    return model(**model.data_preprocessor(data or batch(), True), mode='loss')


def gradients(loss, module):
    """The gradients of a loss by name of a module's parameters; None where the loss does not depend on one."""
    parameters = dict(module.named_parameters())
    found = torch.autograd.grad(loss, parameters.values(), retain_graph=True, allow_unused=True) if parameters else ()
    return dict(zip(parameters, found, strict=True))


def learned_by(model):
    """The losses that build layers of their own, by the name of their term."""
    names = [name for name, term in zip(model.term_names, model.terms, strict=True) if term.learns]
    return dict(zip(names, model.adaptors, strict=True))


def require_finite(found, names, model):
    for name in names:
        loss = found[f'loss_{name}']
        assert loss.dtype == torch.float32, name
        assert loss.isfinite(), name
        of_loss = [gradient for gradient in gradients(loss, model).values() if gradient is not None]
        assert of_loss, name
        assert all(gradient.isfinite().all() for gradient in of_loss), name


@KIND
def test_every_loss_that_a_tap_takes_has_a_line_in_the_table(kind, teachers):
    def accept(setting):
        term = Term.from_setting(setting, STUDENTS[kind].taps)
        if term.tap == 'dense_cls':
            pairs.build(distilling(kind, teachers(kind, True), [setting]))

    assert methods.left_out(TASKS[kind], STUDENTS[kind].taps, accept) == []


def test_in_30_steps_its_own_loss_falls(trained):
    for name, values in trained.history.items():
        assert sum(values[-5:]) < 0.9 * sum(values[:5]), name


def test_after_them_the_teacher_is_as_it_was(trained):
    teacher = trained.model.teachers[0]
    saved = checkpoints.load(teacher.checkpoint)['state_dict']
    for name, value in teacher.model.state_dict().items():
        assert torch.equal(value, saved[name]), name
    assert all(parameter.grad is None for parameter in teacher.model.parameters())


@KIND
@pytest.mark.parametrize('wide', [True, False], ids=['wide_teacher', 'teacher_of_its_width'])
def test_each_gradient_reaches_the_student_and_all_that_this_loss_learns_but_no_others_parts(kind, wide, with_all):
    model, table = with_all(kind, wide)
    found = step(model)
    parts = learned_by(model)
    for name in table:
        of_loss = gradients(found[f'loss_{name}'], model)
        of_student = [value for key, value in of_loss.items() if not key.startswith('adaptors.')]
        assert any(value is not None and value.any() for value in of_student), name
        own = gradients(found[f'loss_{name}'], parts[name]) if name in parts else {}
        assert all(value is not None for value in own.values()), name
        of_adaptors = [value for key, value in of_loss.items() if key.startswith('adaptors.') and value is not None]
        assert len(of_adaptors) == len(own), name


@KIND
def test_the_students_running_statistics_move_as_without_any(kind, with_all):
    alone, (model, _) = pairs.build(plain(kind)), with_all(kind)
    for each in (alone, model):
        step(each)
    moved = dict(model.named_buffers())
    for name, value in alone.named_buffers():
        assert torch.equal(moved[name], value), name


@KIND
def test_in_bf16_losses_and_gradients_are_finite_and_losses_are_float32(kind, with_all):
    model, table = with_all(kind)
    # Not 64 pixels, for which a RetinaNet's neck has a 3x3 convolution of stride 2 on a map of 1x1: there torch's bf16
    # kernel for CPUs returns uninitialised memory as the gradient.
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = step(model, batch(size=128))
    require_finite(found, table, model)


@KIND
@pytest.mark.parametrize('empty', [False, True], ids=['with_objects', 'without'])
def test_of_one_image_losses_and_gradients_are_finite(kind, with_all, empty):
    # The coarsest level of the neck has a single cell; the student's own norms have more than one.
    model, table = with_all(kind)
    require_finite(step(model, batch(1, empty)), table, model)


@KIND
def test_a_student_equal_to_its_teacher_gets_zero_where_that_must_be(kind, teachers):
    teacher = dict(teachers(kind, False), batch_statistics=True)
    model = build(kind, TASKS[kind], teacher)
    model.load_state_dict(checkpoints.load(teacher['checkpoint'])['state_dict'])
    found = step(model)
    for name, method in zip(model.term_names, TASKS[kind], strict=True):
        raw = found[f'raw_{name}'].item()
        assert raw > 1e-3 if method.never_zero else raw == pytest.approx(0, abs=1e-4), name


@KIND
def test_what_all_learned_comes_back_from_a_checkpoint(kind, with_all, hub):
    model, table = with_all(kind, wide=True)
    optimizer = sgd(model, lr=1e-4)
    for _ in range(2):
        model.train_step(batch(), optimizer)
    file = io.BytesIO()
    torch.save(copy.deepcopy(Snapshot(model.adaptors)), file)
    file.seek(0)
    again, anew = (with_all(kind, wide=True)[0] for _ in range(2))
    for each in (again, anew):
        each.load_state_dict(model.state_dict())
    hub.update_info(again.adaptors.kept_as, torch.load(file, weights_only=True))
    # Only the first model that runs a step loads the saved state.
    theirs, mine, other = (step(each) for each in (again, model, anew))
    learned = [name for name, loss in learned_by(model).items() if list(loss.parameters())]
    for name in table:
        assert torch.equal(mine[f'raw_{name}'], theirs[f'raw_{name}']), name
        assert torch.equal(mine[f'raw_{name}'], other[f'raw_{name}']) == (name not in learned), name


def train_rank(rank, kind, table, teacher):
    model = build(kind, table, teacher)
    # DDP raises an error in the second step if a parameter was not used in the first.
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=False)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=1e-4)
    torch.manual_seed(rank)
    for _ in range(2):
        both = batch()
        one = {name: values[rank : rank + 1] for name, values in both.items()}
        found = wrapped(**model.data_preprocessor(one, True), mode='loss')
        optimizer.zero_grad()
        model.parse_losses(found)[0].backward()
        optimizer.step()
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return dict(parameters=parameters, gradients=gradients, value=found['raw_fgd_neck'].item())


@KIND
def test_on_two_processes_all_that_losses_learn_agrees(kind, teachers, tmp_path):
    table = [method for method in TASKS[kind] if method.learns and method.bridges]
    first, second = processes(train_rank, kind, table, teachers(kind, True), folder=tmp_path)
    assert first['value'] != second['value']
    learned = {name.split('.')[1] for name in first['gradients'] if name.startswith('adaptors.')}
    assert len(learned) == len(table)
    for what in ('gradients', 'parameters'):
        for name, mine in first[what].items():
            assert torch.equal(mine, second[what][name]), name


def alone_on_rank(rank, kind, table, teacher):
    model = build(kind, table, teacher)
    # Two images each: SP compares images with each other and is 0 for a single one.
    found = step(model, {name: values[2 * rank : 2 * rank + 2] for name, values in batch(4).items()})
    return {name: found[f'raw_{name}'].item() for name in model.term_names}


@KIND
def test_on_two_processes_what_learns_nothing_compares_the_rows_and_images_of_its_own(kind, teachers, tmp_path):
    # With a teacher as wide as the student, CWD learns nothing either.
    table = [method for method in TASKS[kind] if not method.learns or method.loss == 'CWDLoss']
    settings = kind, table, teachers(kind, False)
    assert not list(build(*settings).adaptors.parameters())
    found = processes(alone_on_rank, *settings, folder=tmp_path)
    for rank, values in enumerate(found):
        assert len(values) == len(table)
        assert values == pytest.approx(alone_on_rank(rank, *settings), rel=1e-5)
    for name, value in found[0].items():
        assert value != pytest.approx(found[1][name], rel=1e-3), name


@KIND
def test_terms_combine_on_one_tap_and_on_several(kind, with_all):
    model, table = with_all(kind)
    found = step(model)
    alone = step(pairs.build(plain(kind)))
    own = sum(sum(value) if isinstance(value, list) else value for key, value in alone.items() if 'loss' in key)
    total = model.parse_losses(found)[0]
    torch.testing.assert_close(total, own + sum(found[f'loss_{name}'] for name in table))
    for name, each in zip(table, model.terms, strict=True):
        torch.testing.assert_close(found[f'loss_{name}'], each.loss_weight * found[f'raw_{name}'])
    assert {method.tap for method in table.values()} == set(model.taps)


def term(tap, loss, /, options=None, **settings):
    return dict(options or {}, tap=tap, loss=dict(type=f'luminet_det.{loss}', **settings))


OF_CLASSIFIERS = r'which the tap .features. of classifiers gives'


@pytest.mark.parametrize(
    ('kind', 'setting', 'message'),
    [
        ('two_stage', term('features', 'FitNetLoss'), "no tap 'features'; known taps: roi_cls, roi_reg, neck, backb"),
        ('single_stage', term('roi_cls', 'KDLoss'), "no tap 'roi_cls'; known taps: dense_cls, neck, backbone"),
        ('two_stage', term('neck', 'CRDLoss'), r'compares embeddings .*gives feature maps.*Use a loss for these, e\.g'),
        ('two_stage', term('roi_cls', 'RKDLoss'), r'compares embeddings .*gives class logits.*Use a loss for these'),
        ('two_stage', term('roi_reg', 'KDLoss'), r'gives box deltas.*Use a loss for these, e\.g\. .*mmdet\.L1Loss'),
        ('two_stage', term('neck', 'OFDLoss'), OF_CLASSIFIERS),
        ('two_stage', term('neck', 'FCFDLoss'), OF_CLASSIFIERS),
        ('single_stage', term('neck', 'FCFDDetLoss'), "box heads.*which the tap 'neck' of two-stage detectors gives"),
        ('two_stage', term('backbone', 'FCFDDetLoss'), "box heads.*which the tap 'neck' of two-stage detectors gives"),
        ('two_stage', term('backbone', 'FGFILoss'), "anchors .*which the tap 'neck' of detectors gives"),
        ('two_stage', term('roi_cls', 'MLLDLoss'), 'several views .* gives one. Write views=1'),
        ('single_stage', term('dense_cls', 'DKDLoss'), 'no such form; use KDLoss or LumiNetLoss with use_sigmoid=True'),
        ('single_stage', term('dense_cls', 'KDLoss'), r"write loss=dict\(type='luminet_det.KDLoss', use_sigmoid=True"),
        ('two_stage', term('neck', 'FCFDDetLoss', dict(levels=[0, 1])), r"Write levels='all' in the term, on the tap"),
        ('two_stage', term('neck', 'PKDLoss'), r'set out_channels=24 in the neck .*or use a loss that learns'),
    ],
    ids=lambda value: f'{value["loss"]["type"]}-{value["tap"]}' if isinstance(value, dict) else None,
)
def test_what_makes_no_sense_is_an_error_that_says_what_to_write(kind, teachers, setting, message):
    with pytest.raises(ValueError, match=message):
        step(pairs.build(distilling(kind, teachers(kind, True), [setting])))


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (dict(channels_last='no'), "teacher.channels_last='no' must be True or False"),
        (dict(batch_statistics='yes'), "teacher.batch_statistics='yes' must be True or False"),
        (dict(fuse_conv_bn=1), 'teacher.fuse_conv_bn=1 must be True or False'),
        (dict(compile='False'), "teacher.compile='False' must be True, False or a dict of torch.compile options"),
    ],
    ids=str,
)
def test_a_switch_of_the_teacher_that_is_neither_on_nor_off_is_refused(teachers, setting, message):
    model = distilling('two_stage', dict(teachers('two_stage', False), **setting), [term('roi_cls', 'KDLoss')])
    with pytest.raises(ValueError, match=message):
        pairs.build(model)


@pytest.mark.parametrize('loss', ['FitNetLoss', 'ReviewKDLoss', 'CWDLoss', 'FCFDDetLoss'])
def test_necks_of_other_strides_are_refused_with_the_option_to_write(teachers, loss):
    # A RetinaNet's neck begins at stride 8, a Faster R-CNN's at 4.
    model = distilling('two_stage', teachers('single_stage', True), [term('neck', loss)])
    with pytest.raises(ValueError, match="levels='common' in the term|teacher is a single-stage detector.*Use"):
        pairs.build(model)
