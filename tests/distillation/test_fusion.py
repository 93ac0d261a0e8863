"""Folding BatchNorms into convolutions: the outputs stay the same, and a fold that would change them is refused."""

import pickle

import pytest
import torch
from mmengine.utils.dl_utils.parrots_wrapper import SyncBatchNorm  # the class of type='SyncBN' in mm configs
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from luminet_det.classification.models import Outputs
from luminet_det.distillation import Teacher
from luminet_det.distillation.fusion import fuse_conv_bn
from luminet_det.registry import MODELS
from tests import pairs, tiny
from tests.classification import small

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def trained(network):
    """The network, frozen and in eval mode, with random statistics, scales and offsets in its norms."""
    draw = torch.Generator().manual_seed(5)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.2, 0.8, generator=draw)
            norm.running_var.uniform_(0.5, 1.5, generator=draw)
            for parameter in norm.parameters():
                nn.init.uniform_(parameter, 0.2, 1.2, generator=draw)
    return network.eval().requires_grad_(False)


def tensors(outputs):
    if isinstance(outputs, Outputs):
        return outputs.logits, *outputs.features, *outputs.before_relu, outputs.embedding
    return (outputs,) if isinstance(outputs, torch.Tensor) else outputs


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ('name', 'left'),
    [
        ('resnet20', 0),
        ('resnet50_32px', 0),
        ('vgg8', 0),
        ('mobilenetv2_half', 0),
        ('shufflenetv1', 0),
        ('shufflenetv2', 0),
        # Six norms read a sum: the first of each block except the one after the stem, and the last of the network.
        ('wrn_16_2', 6),
    ],
)
def test_a_network_says_the_same_with_its_norms_folded(name, left):
    network = trained(MODELS.build(dict(type=f'luminet_det.{name}', num_classes=10)))
    before, count = tensors(network(IMAGES)), norms(network)
    assert fuse_conv_bn(network, lambda: tensors(network(IMAGES[:1]))) == count - left
    assert norms(network) == left
    for old, new in zip(before, tensors(network(IMAGES)), strict=True):
        torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-5 * old.abs().max().item())
    assert not any(parameter.requires_grad for parameter in network.parameters())


class ActivatingNorm(nn.BatchNorm2d):
    """A norm that includes its activation, like timm's."""

    def forward(self, x):
        return super().forward(x).relu()


class Odd(nn.Module):
    """Convolutions that must stay apart from their norms, and three that need not: `plain`, `synced` and `last`."""

    def __init__(self):
        super().__init__()
        self.read_twice, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.shared, self.first, self.second = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.between, self.after_relu = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.in_halves, self.of_halves = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.weighted, self.of_weighted = weight_norm(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4)
        self.watched, self.of_watched = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.of_watched.register_forward_hook(lambda module, inputs, output: self.seen.append(output))
        self.seen = []
        self.activated, self.activating = nn.Conv2d(4, 4, 1), ActivatingNorm(4)
        self.plain, self.without_scale = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, affine=False)
        self.synced, self.of_synced = nn.Conv2d(4, 4, 1), SyncBatchNorm(4)
        self.leaving, self.of_leaving = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.last, self.of_last = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.read_twice(x)
        x = self.norm(x) + x
        x = self.first(self.shared(x)) + self.second(self.shared(x))
        x = self.after_relu(self.between(x).relu_())
        x = self.in_halves(x)
        x = self.of_halves(x) + torch.cat(x.chunk(2, dim=1)[::-1], dim=1)
        x = self.of_weighted(self.weighted(x))
        x = self.of_watched(self.watched(x))
        x = self.activating(self.activated(x))
        x = self.of_synced(self.synced(self.without_scale(self.plain(x))))
        left = self.leaving(x)
        return left, self.of_leaving(left), self.of_last(self.last(x))


def test_only_a_norm_that_alone_reads_a_convolution_of_its_own_is_folded():
    network = trained(Odd())
    before = network(IMAGES)
    assert fuse_conv_bn(network, lambda: network(IMAGES)) == 3
    folded = [name for name, module in network.named_children() if isinstance(module, nn.Identity)]
    assert folded == ['without_scale', 'of_synced', 'of_last']
    for old, new in zip(before, network(IMAGES), strict=True):
        torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-4)
    assert len(network.seen) == 4


def hidden(network):
    """The outputs of a forward pass, and what the network has kept in its buffer."""
    return [network(IMAGES), network.kept.clone()]


class Keeping(nn.Module):
    """Copies the output of its convolution through numpy, where reads are not recorded."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.register_buffer('kept', torch.zeros(2, 4, 32, 32))

    def forward(self, x):
        x = self.conv(x)
        self.kept.numpy()[:] = x.numpy()
        return self.norm(x)


def test_what_was_read_unseen_is_found_out_by_its_values():
    network = trained(Keeping())
    with pytest.raises(ValueError, match='folding its BatchNorms changes its outputs'):
        fuse_conv_bn(network, lambda: hidden(network))


def test_outputs_that_are_no_numbers_are_not_the_same():
    network = trained(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    network[1].running_var.fill_(-1)
    with pytest.raises(ValueError, match='changes its outputs'):
        fuse_conv_bn(network, lambda: [network(IMAGES)])


@pytest.mark.parametrize('name', ['resnet18', 'mobilenet_v2', 'mnasnet0_5'])
def test_a_torchvision_network_gives_the_same_taps(name):
    network = trained(MODELS.build(dict(type='luminet_det.TorchvisionNetwork', name=name, num_classes=5)))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    before = tensors(network(images))
    assert fuse_conv_bn(network, lambda: tensors(network(images))) > 15
    for old, new in zip(before, tensors(network(images)), strict=True):
        torch.testing.assert_close(new, old, rtol=1e-3, atol=1e-4 * old.abs().max().item())


@pytest.fixture
def trained_teacher(teacher, tmp_path):
    """The `teacher=` setting of a detector whose outputs would change if a norm were missing."""
    made = Teacher.from_setting(teacher)
    made.build()
    checkpoint = torch.load(teacher['checkpoint'], weights_only=True)
    checkpoint['state_dict'] = trained(made.model).state_dict()
    torch.save(checkpoint, tmp_path / 'trained.pth')
    return dict(teacher, checkpoint=str(tmp_path / 'trained.pth'))


@pytest.fixture
def trained_classifier(tmp_path):
    setting = small.save_teacher(tmp_path / 'teacher.pth')
    checkpoint = torch.load(setting['checkpoint'], weights_only=True)
    model = MODELS.build(setting['config'])
    checkpoint['state_dict'] = trained(model).state_dict()
    torch.save(checkpoint, tmp_path / 'teacher.pth')
    return setting


def test_a_detector_says_the_same_on_the_taps_with_fewer_layers(trained_teacher):
    plain = pairs.step(pairs.build(pairs.distilling(tiny.faster_rcnn(), trained_teacher)))
    student = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(trained_teacher, fuse_conv_bn=True)))
    assert pairs.step(student)['loss_luminet'].item() == pytest.approx(plain['loss_luminet'].item(), rel=1e-3)
    assert norms(student.teachers[0].model.backbone) == 0
    assert norms(student.backbone) > 0


@pytest.mark.parametrize('compile', [False, dict(backend='eager')], ids=['eager', 'compiled'])
def test_a_classifier_too(trained_classifier, compile):
    losses = []
    for settings in ({}, dict(fuse_conv_bn=True, compile=compile)):
        model = small.build(small.distilling(dict(trained_classifier, **settings)))
        losses.append(small.losses(model)['loss_luminet'].item())
        assert (norms(model.teachers[0].model) == 0) == bool(settings)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_under_autocast_it_is_folded_and_checked_in_full_precision(trained_classifier):
    teacher = Teacher(**trained_classifier, fuse_conv_bn=True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        teacher.build()
    assert norms(teacher.model) == 0
    assert teacher.folded > 0


def test_a_pickled_teacher_is_folded_again(trained_classifier):
    teacher = pickle.loads(pickle.dumps(Teacher(**trained_classifier, fuse_conv_bn=True)))
    teacher.build()
    assert norms(teacher.model) == 0


def test_a_teacher_without_such_norms_is_refused_each_time_with_the_line_to_drop(tmp_path):
    config = dict(type='luminet_det.Classifier', network=dict(type='luminet_det.deit_compact_32px', num_classes=4))
    torch.save(dict(state_dict=MODELS.build(config).state_dict()), tmp_path / 'teacher.pth')
    teacher = Teacher(config, str(tmp_path / 'teacher.pth'), fuse_conv_bn=True)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"only reader of a convolution's output. Remove teacher.fuse_conv_bn"):
            teacher.build()
        assert not teacher.built


def test_norms_that_something_looks_at_are_not_folded(tmp_path):
    setting = small.save_teacher(tmp_path / 'teacher.pth')
    with pytest.raises(ValueError, match='batch_statistics=True needs BatchNorms.*remove one of the two'):
        small.build(small.distilling(dict(setting, fuse_conv_bn=True, batch_statistics=True)))
    for loss, relu in (('OFDLoss', 'before'), ('FCFDLoss', 'after')):
        term = dict(tap='features', relu=relu, loss=dict(type=f'luminet_det.{loss}'))
        with pytest.raises(ValueError, match=f"{loss} needs the teacher's norms, but teacher.fuse_conv_bn=True"):
            small.build(small.distilling(dict(setting, fuse_conv_bn=True), distill=[term]))
