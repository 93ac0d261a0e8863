import itertools

import numpy as np
import pytest
import torch
from torch import nn

from luminet_det.losses.bridges import bridge
from luminet_det.losses.fcfd import FCFDLoss

STUDENT, TEACHER = (2, 3, 4, 3), (3, 4, 2, 5)
CLASSES = 4


class Network(nn.Module):
    """Stages of a tanh and a 1x1 convolution, without norms; it has all that the loss asks of each of `networks`."""

    def __init__(self, channels, after_relu=False, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.after_relu = after_relu
        shapes = [*itertools.pairwise((3, *channels)), (channels[-1], CLASSES)]
        self.weights = nn.ParameterList(
            torch.randn(out, into, generator=generator, dtype=torch.float64) / into**0.5 for into, out in shapes
        )
        # Logits far enough apart for the temperature to make a difference.
        self.weights[-1].data.mul_(8)

    def run_stage(self, i, x):
        return torch.einsum('oc,bchw->bohw', self.weights[i].to(x.dtype), x.tanh())

    def finish(self, x, stages):
        maps = []
        for i in stages:
            x = self.run_stage(i, x)
            maps.append(x)
        return maps, self.classify(x)

    def classify(self, x):
        return x.mean((2, 3)) @ self.weights[-1].to(x.dtype).T

    def maps(self, images):
        return tuple(self.finish(images, range(len(self.weights) - 1))[0])


class Pair:
    """The loss's `networks`: a student and a frozen teacher, with two images on which a call runs a loss."""

    def __init__(self, student=STUDENT, teacher=TEACHER, after_relu=()):
        self.student = Network(student, 'student' in after_relu, seed=1)
        self.teacher = Network(teacher, 'teacher' in after_relu, seed=2).requires_grad_(False)
        generator = torch.Generator().manual_seed(3)
        self.images = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)

    def adapted(self, seed=0, **settings):
        torch.manual_seed(seed)
        loss = FCFDLoss(**settings)
        loss.adapt(self.student.maps(self.images), self.teacher.maps(self.images))
        return loss.double()

    def __call__(self, loss, epoch=100, images=None):
        images = self.images if images is None else images
        student, teacher = self.student.maps(images), self.teacher.maps(images)
        return loss(student, teacher, networks=self, epoch=epoch)


@pytest.fixture
def pair():
    return Pair()


def numpy_bridge(layers, maps, leaky):
    """A bridge in numpy: 3x3 convolution with zero padding, norm over each channel and, if asked for, leaky ReLU."""
    weight = layers[0].weight.detach().numpy()
    scale, shift = (p.detach().numpy()[:, None, None] for p in (layers[1].weight, layers[1].bias))
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = maps.shape[2:]
    out = sum(
        np.einsum('oc,bchw->bohw', weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
        for i in range(3)
        for j in range(3)
    )
    out = (out - out.mean((0, 2, 3), keepdims=True)) / np.sqrt(out.var((0, 2, 3), keepdims=True) + 1e-5)
    out = scale * out + shift
    return np.where(out > 0, out, 0.1 * out) if leaky else out


def numpy_loss(loss, pair, epoch):
    """The published objective with all four mixed paths, written independently in numpy."""
    weights = {n: [w.detach().numpy() for w in getattr(pair, n).weights] for n in ('student', 'teacher')}

    def stage(name, i, x):
        return np.einsum('oc,bchw->bohw', weights[name][i], np.tanh(x))

    def logits(name, x):
        return x.mean((2, 3)) @ weights[name][-1].T

    def kl(target, said):
        p, q = (np.exp(z / loss.tau - np.log(np.exp(z / loss.tau).sum(1, keepdims=True))) for z in (target, said))
        return loss.tau**2 * (p * np.log(p / q)).sum(1).mean()

    def clean(name):
        maps, x = [], pair.images.numpy()
        for i in range(4):
            x = stage(name, i, x)
            maps.append(x)
        return maps

    s, t = clean('student'), clean('teacher')
    target = logits('teacher', t[3])
    in_teacher = {i: [numpy_bridge(loss.to_teacher[i - 1], s[i], pair.teacher.after_relu)] for i in (1, 2, 3)}
    mixed = 0
    for i in (1, 2):
        x = in_teacher[i][0]
        for j in range(i + 1, 4):
            x = stage('teacher', j, x)
            in_teacher[j].append(x)
        mixed += kl(target, logits('teacher', x))
        x = numpy_bridge(loss.to_student[i - 1], t[i], pair.student.after_relu)
        for j in range(i + 1, 4):
            x = stage('student', j, x)
        mixed += kl(target, logits('student', x))
    feature = sum(((u - t[i]) ** 2).mean() for i, maps in in_teacher.items() for u in maps)
    pooled = [np.maximum(u, 0).mean((2, 3)) for u in (*in_teacher[3], t[3])]
    feature += sum(((u - pooled[-1]) ** 2).mean() for u in pooled[:-1])
    assert [len(maps) for maps in in_teacher.values()] == [1, 2, 3]
    ramp = min((epoch + 1) / loss.feature_warmup, 1)
    return loss.loss_weight * (loss.mixed_weight * mixed + loss.feature_weight * ramp * feature)


@pytest.mark.parametrize('epoch', [0, 6, 19, 200])
@pytest.mark.parametrize('after_relu', [(), ('student',), ('teacher',)])
def test_with_all_paths_it_is_the_published_objective(after_relu, epoch):
    pair = Pair(after_relu=after_relu)
    loss = pair.adapted(tau=2.0, mixed_weight=0.7, feature_weight=3.0, loss_weight=1.5, num_paths=4)
    assert pair(loss, epoch).item() == pytest.approx(numpy_loss(loss, pair, epoch), rel=1e-9)
    singles = loss.float()
    for network in (pair.student, pair.teacher):
        network.float()
    pair.images = pair.images.float()
    expected = numpy_loss(singles, pair, epoch)
    assert pair(singles, epoch).item() == pytest.approx(expected, rel=1e-4)


def test_drawn_paths_differ_each_time_and_none_is_run_twice(pair):
    loss = pair.adapted(num_paths=2)
    torch.manual_seed(0)
    drawn = [loss.draw() for _ in range(200)]
    assert all(len(set(paths)) == 2 for paths in drawn)
    counts = [sum(path in paths for paths in drawn) for path in itertools.product((True, False), (1, 2))]
    assert min(counts) > 70
    torch.manual_seed(0)
    assert [loss.draw() for _ in range(200)] == drawn


def test_networks_of_five_stages_have_six_paths():
    pair = Pair((2, 3, 4, 3, 2), (3, 4, 2, 5, 4))
    loss = pair.adapted(num_paths=6)
    assert sorted(loss.draw()) == sorted(itertools.product((True, False), (1, 2, 3)))
    assert pair(loss).isfinite()


def test_each_path_adds_its_own_divergence(pair):
    torch.manual_seed(0)
    loss = pair.adapted(num_paths=1, feature_weight=0.0)
    one_by_one = []
    for path in itertools.product((True, False), (1, 2)):
        loss.draw = lambda path=path: [path]
        one_by_one.append(pair(loss).item())
    whole = pair.adapted(num_paths=4, feature_weight=0.0)
    assert pair(whole).item() == pytest.approx(sum(one_by_one), rel=1e-9)


def test_maps_that_mean_the_same_to_the_teacher_cost_nothing(pair):
    loss = pair.adapted(num_paths=1, feature_weight=0.0)
    loss.draw = lambda: [(False, 1)]
    student = pair.student.maps(pair.images)
    with torch.no_grad():
        crossed = loss.to_teacher[0](student[1])
        teacher = (pair.teacher.maps(pair.images)[0], crossed, *pair.teacher.finish(crossed, range(2, 4))[0])
    assert abs(loss(student, teacher, networks=pair, epoch=0).item()) < 1e-12


def test_the_gradient_is_that_of_finite_differences(pair):
    loss = pair.adapted(num_paths=4)
    teacher = pair.teacher.maps(pair.images)
    student = tuple(maps.detach().requires_grad_() for maps in pair.student.maps(pair.images))
    assert torch.autograd.gradcheck(lambda *maps: loss(maps, teacher, networks=pair, epoch=4), student)
    weight = pair.student.weights[2]
    assert torch.autograd.gradcheck(lambda _: pair(loss), weight)


@pytest.mark.parametrize('path', list(itertools.product((True, False), (1, 2))))
def test_it_reaches_the_student_and_every_bridge_and_not_the_teacher(pair, path):
    loss = pair.adapted(num_paths=1)
    loss.draw = lambda: [path]
    teacher = tuple(maps.requires_grad_() for maps in pair.teacher.maps(pair.images))
    loss(pair.student.maps(pair.images), teacher, networks=pair, epoch=0).backward()
    assert all(maps.grad is None for maps in teacher)
    assert all(weight.grad is None for weight in pair.teacher.weights)
    assert all(p.grad is not None for p in loss.parameters())
    crossed = [i for i, layers in enumerate(loss.to_student) if layers[0].weight.grad.abs().sum() > 0]
    assert crossed == ([path[1] - 1] if path[0] else [])
    assert all(layers[0].weight.grad.abs().sum() > 0 for layers in loss.to_teacher)
    # Only paths that start in the teacher end in the student, and pass the student's last layer.
    assert (pair.student.weights[-1].grad is not None) == path[0]


def test_a_path_through_the_teacher_tells_the_student_about_its_own_maps(pair):
    loss = pair.adapted(num_paths=1, feature_weight=0.0)
    loss.draw = lambda: [(False, 2)]
    pair(loss).backward()
    assert pair.student.weights[2].grad.abs().sum() > 0


@pytest.mark.parametrize(
    ('setting', 'value'),
    [('tau', 8.0), ('mixed_weight', 0.2), ('feature_weight', 0.02), ('feature_warmup', 0), ('num_paths', 4)],
)
def test_every_setting_changes_the_value(pair, setting, value):
    torch.manual_seed(0)
    plain = pair(pair.adapted(), epoch=3).item()
    torch.manual_seed(0)
    assert pair(pair.adapted(**{setting: value}), epoch=3).item() != pytest.approx(plain, rel=1e-3)
    assert f'{setting}={value:g}' in repr(FCFDLoss(**{setting: value}))


def test_the_weight_scales_the_loss(pair):
    single, double = (pair(pair.adapted(num_paths=4, loss_weight=weight)) for weight in (1.0, 2.0))
    assert double.item() == pytest.approx(2 * single.item(), rel=1e-12)


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_bridges_follow_autocast_and_the_value_is_in_float32(pair, half):
    loss = pair.adapted(num_paths=4).float()
    for network in (pair.student, pair.teacher):
        network.float()
    pair.images = pair.images.float()
    kinds = []
    loss.to_teacher[0][0].register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    plain = pair(loss).item()
    with torch.autocast('cpu', dtype=half):
        value = pair(loss)
    value.backward()
    assert kinds == [torch.float32, half]
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(plain, rel=0.05)
    assert all(p.grad.isfinite().all() for p in (*loss.parameters(), *pair.student.parameters()) if p.grad is not None)


@pytest.mark.parametrize('images', [0, 1])
def test_one_image_and_none_give_finite_losses_and_gradients(pair, images):
    loss = pair.adapted()
    value = pair(loss, images=pair.images[:images])
    value.backward()
    assert value.isfinite()
    assert (value == 0) == (images == 0)
    assert all(p.grad.isfinite().all() for p in pair.student.weights if p.grad is not None)
    assert pair.student.weights[0].grad is not None


def test_it_can_be_learned(pair):
    loss = pair.adapted(num_paths=4)
    optimizer = torch.optim.SGD([*loss.parameters(), *pair.student.parameters()], lr=0.02, momentum=0.9)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        values.append(pair(loss))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < 0.7 * values[0]


def test_its_state_makes_another_one_equal(pair):
    loss, other = pair.adapted(num_paths=4, seed=0), pair.adapted(num_paths=4, seed=1)
    assert pair(loss).item() != pytest.approx(pair(other).item(), rel=1e-3)
    other.load_state_dict(loss.state_dict())
    assert pair(loss).item() == pytest.approx(pair(other).item(), rel=1e-12)


def test_its_bridges_have_as_many_parameters_as_the_docstring_says():
    maps = [[torch.zeros(1, c, s, s) for c, s in ((32, 32), (64, 32), (128, 16), (256, 8))] for _ in range(2)]
    loss = FCFDLoss()
    loss.adapt(*maps)
    count = sum(p.numel() for p in loss.parameters())
    assert count == sum(9 * c * c + 2 * c for c in (64, 128, 256, 64, 128))
    assert f'{count:,} parameters' in FCFDLoss.__doc__


def test_without_bridges_it_says_what_to_call(pair):
    with pytest.raises(RuntimeError, match=r'call adapt\(student, teacher\)'):
        pair(FCFDLoss())


def test_networks_of_different_or_too_few_stages_are_refused(pair):
    maps = pair.student.maps(pair.images)
    with pytest.raises(ValueError, match='as many feature maps.*got 4 and 3'):
        FCFDLoss().adapt(maps, maps[:3])
    with pytest.raises(ValueError, match='finds 0 mixed paths through networks of 2 stages'):
        FCFDLoss().adapt(maps[:2], maps[:2])
    with pytest.raises(ValueError, match='finds 4 mixed paths.*num_paths=5'):
        FCFDLoss(num_paths=5).adapt(maps, maps)
    loss = pair.adapted()
    with pytest.raises(ValueError, match='adapted to networks of 4 stages; got the maps of 3'):
        loss(maps[:3], maps[:3], networks=pair, epoch=0)


def test_sizes_that_no_bridge_spans_are_refused_with_what_to_do():
    maps = [[torch.zeros(1, 2, s, s) for s in sizes] for sizes in ((32, 32, 16, 8), (32, 8, 4, 2))]
    with pytest.raises(ValueError, match=r'maps of 32x32 cannot be bridged to 8x8.*Choose networks whose'):
        FCFDLoss().adapt(*maps)


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('tau', 0),
        ('mixed_weight', -1),
        ('feature_weight', -1),
        ('feature_warmup', -1),
        ('num_paths', 0),
        ('num_paths', 1.5),
        ('loss_weight', -1),
    ],
)
def test_impossible_settings_are_refused_by_name(setting, value):
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}={value}'):
        FCFDLoss(**{setting: value})


SIZES = [((8, 8), (8, 8)), ((16, 8), (8, 4)), ((7, 7), (4, 4)), ((4, 5), (8, 10))]


@pytest.mark.parametrize(('given', 'wanted'), SIZES)
def test_a_bridge_changes_channels_and_size(given, wanted):
    source, target = torch.randn(2, 3, *given), torch.randn(2, 5, *wanted)
    layers = bridge(source, target)
    assert layers(source).shape == target.shape
    assert layers[0].bias is None
    assert list(layers.buffers()) == []
    # The norm uses the statistics of the batch in evaluation mode too.
    assert torch.equal(layers.eval()(source), layers.train()(source))


def test_processes_that_synchronise_their_norms_do_not_meet_in_a_bridge():
    layers = bridge(torch.randn(2, 3, 4, 4), torch.randn(2, 5, 4, 4))
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(layers)
    assert not any(isinstance(layer, torch.nn.SyncBatchNorm) for layer in converted.modules())


def test_a_map_of_one_value_a_channel_crosses_a_bridge_as_its_norms_bias():
    layers = bridge(torch.randn(1, 3, 1, 1), torch.randn(1, 5, 1, 1))
    torch.nn.init.normal_(layers[1].bias)
    crossed = layers(torch.randn(1, 3, 1, 1))
    assert torch.equal(crossed.flatten(), layers[1].bias)
    crossed.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layers.parameters())


def test_a_bridge_starts_from_kaimings_distribution():
    weight = bridge(torch.zeros(1, 64, 4, 4), torch.zeros(1, 128, 4, 4))[0].weight
    assert weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
