"""A network run stage by stage gives the outputs of its forward pass; entering it midway leaves it unchanged."""

import pytest
import torch
from torch import nn

from luminet_det.classification.segments import Networks, Segments
from luminet_det.distillation.classes import ClassMap
from luminet_det.losses.fcfd import FCFDLoss
from tests.classification.models.networks import CIFAR, images, network

STAGED = (*CIFAR, 'mobilenetv1')
LIBRARY = ('resnet18', 'resnet34', 'resnet50')
# One network of each kind.
KINDS = ('resnet8x4', 'wrn_16_2', 'vgg8', 'mobilenetv2_half', 'shufflenetv1', 'shufflenetv2', 'mobilenetv1')


def built(name):
    return network('TorchvisionNetwork', 10, name=name) if name in LIBRARY else network(name, 10)


def batch(name):
    return images('mobilenetv1' if name in LIBRARY else name)


@pytest.mark.parametrize('name', [*STAGED, *LIBRARY])
def test_stages_in_turn_give_what_the_whole_network_gives_bit_for_bit(name):
    model, x = built(name).train(), batch(name)
    with torch.no_grad():
        outputs = model(x)
        maps = x
        assert len(outputs.boundaries) == len(outputs.features)
        for i, boundary in enumerate(outputs.boundaries):
            maps = model.run_stage(i, maps)
            assert torch.equal(maps, boundary), i
        assert torch.equal(model.classify(maps), outputs.logits)


@pytest.mark.parametrize('size', [32, 48, 64])
def test_a_vgg_is_cut_alike_for_images_of_every_size(size):
    model, maps = built('vgg8').eval(), torch.randn(2, 3, size, size)
    outputs = model(maps)
    for i, boundary in enumerate(outputs.boundaries):
        maps = model.run_stage(i, maps)
        assert torch.equal(maps, boundary)


@pytest.mark.parametrize('name', [*KINDS, 'resnet18'])
def test_it_says_rightly_whether_its_stages_end_in_a_relu(name):
    model = built(name)
    later = model(batch(name)).boundaries[1:]
    assert all((maps.min() >= 0) == Segments(model).after_relu for maps in later)


def test_wide_resnets_are_cut_before_the_norm_of_the_next_stage():
    model = built('wrn_16_2').eval()
    outputs = model(images())
    norms = (model.layer2[0].bn1, model.layer3[0].bn1)
    for norm, plain, normed in zip(norms, outputs.boundaries[1:], outputs.before_relu[1:], strict=False):
        assert torch.equal(norm(plain), normed)
    assert outputs.boundaries[3] is outputs.before_relu[3]


def test_mobilenetv2_and_shufflenetv2_end_with_the_maps_that_are_pooled():
    assert built('mobilenetv2_half')(images()).boundaries[-1].shape == (2, 1280, 2, 2)
    assert built('shufflenetv2')(images()).boundaries[-1].shape == (2, 1024, 4, 4)


@pytest.mark.parametrize('name', KINDS)
@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_the_rest_takes_the_statistics_of_the_batch_and_moves_none(name, training):
    model, x = built(name).train(), batch(name)
    with torch.no_grad():
        outputs = model(x)
    model.train(training)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    last = len(outputs.boundaries)
    with torch.no_grad():
        maps, logits = Segments(model).finish(outputs.boundaries[1], range(2, last))
    for own, expected in zip(maps, outputs.boundaries[2:], strict=True):
        torch.testing.assert_close(own, expected)
    torch.testing.assert_close(logits, outputs.logits)
    assert {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])} == set()
    assert {module.training for module in model.modules()} == {training}


def test_an_error_on_the_way_leaves_the_norms_as_they_were():
    model = built('resnet8x4').eval()
    before = model(images()).logits
    with pytest.raises(RuntimeError):
        Segments(model).finish(torch.zeros(2, 7, 4, 4), range(2, 4))
    assert torch.equal(model(images()).logits, before)


def test_the_gradient_reaches_what_enters_and_no_frozen_weight():
    model = built('resnet8x4').eval().requires_grad_(False)
    maps = model(images()).boundaries[1].clone().requires_grad_()
    Segments(model).finish(maps, range(2, 4))[1].square().sum().backward()
    assert maps.grad.abs().sum() > 0
    assert [name for name, p in model.named_parameters() if p.grad is not None] == []


def test_logits_come_in_the_students_order_of_classes():
    model = network('resnet8x4', 3).eval()
    outputs = model(images())
    classes = ClassMap(('a', 'b', 'c'), ('c', 'a'), 3, 2, background=False)
    segments = Segments(model, classes=classes)
    assert torch.equal(segments.classify(outputs.boundaries[-1]), outputs.logits[:, [2, 0]])
    assert segments.finish(outputs.boundaries[1], range(2, 4))[1].shape == (2, 2)


@pytest.mark.parametrize('name', ['resnet8x4', 'wrn_16_2'])
@pytest.mark.parametrize(('dtype', 'half'), [('bf16', torch.bfloat16), ('fp32', torch.float32)])
def test_a_teachers_rest_runs_in_the_teachers_precision(name, dtype, half):
    class Precision:
        """The part of a teacher that `Segments` uses."""

        def answering(self, device_type):
            return torch.autocast(device_type, dtype=half, enabled=half != torch.float32)

    teacher = Precision()
    teacher.dtype = dtype
    model = built(name).eval().requires_grad_(False)
    maps = model(images()).boundaries[1].bfloat16().requires_grad_()
    model.to(half)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        _, logits = Segments(model, teacher).finish(maps, range(2, 4))
    assert logits.dtype == half
    logits.float().sum().backward()
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize(
    ('network', 'found'),
    [
        (nn.Linear(2, 2), 'Linear'),
        (lambda: network('TorchvisionNetwork', 10, name='alexnet'), r'TorchvisionNetwork \(AlexNet\)'),
        (lambda: network('deit_compact_32px'), 'DeiT'),
    ],
    ids=['linear', 'alexnet', 'deit'],
)
def test_other_networks_are_refused(network, found):
    model = network if isinstance(network, nn.Module) else network()
    with pytest.raises(ValueError, match=f'stage by stage, which {found} does not support.*Choose one of these'):
        Segments(model)


PUBLISHED = [
    ('resnet20', 'resnet56'),
    ('resnet8x4', 'resnet32x4'),
    ('wrn_16_2', 'wrn_40_2'),
    ('wrn_40_1', 'wrn_40_2'),
    ('vgg8', 'vgg13'),
    ('mobilenetv2_half', 'vgg13'),
    ('mobilenetv2_half', 'resnet50_32px'),
    ('vgg8', 'resnet50_32px'),
    ('shufflenetv1', 'resnet32x4'),
    ('shufflenetv2', 'resnet32x4'),
    ('shufflenetv1', 'wrn_40_2'),
    ('resnet18', 'resnet34'),
    ('mobilenetv1', 'resnet50'),
]


@pytest.mark.parametrize(('student', 'teacher'), PUBLISHED)
def test_fcfd_runs_on_every_published_pair_and_moves_no_running_statistic(student, teacher):
    x = batch(student)
    student, teacher = built(student).train(), built(teacher).eval().requires_grad_(False)
    with torch.no_grad():
        answer = teacher(x)
    said = student(x)
    loss = FCFDLoss(num_paths=4)
    loss.adapt(said.boundaries, answer.boundaries)
    before = [{k: v.clone() for k, v in model.named_buffers()} for model in (student, teacher)]
    networks = Networks(Segments(student), Segments(teacher))
    value = loss(said.boundaries, answer.boundaries, networks=networks, epoch=0)
    value.backward()
    assert value.isfinite()
    for model, buffers in zip((student, teacher), before, strict=True):
        assert all(torch.equal(v, buffers[k]) for k, v in model.named_buffers())
    assert {p.grad is None for p in teacher.parameters()} == {True}
    assert all(p.grad.isfinite().all() for p in student.parameters() if p.grad is not None)
    # The gradient reaches the first layer; the last layer gets one only if a drawn path ends in the student.
    assert next(student.parameters()).grad.abs().sum() > 0
