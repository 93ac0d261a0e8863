"""Checkpoints of our own runs, mdistiller, RepDistiller, torchvision and timm load strictly."""

import re
from collections import OrderedDict

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from luminet_det.classification.models import own_weights
from luminet_det.distillation.weights import load_strictly
from tests.classification.models.networks import OWN, images, network

# How to turn our names of weights into those of mdistiller and RepDistiller, and one key in their checkpoints.
FOREIGN = {
    'resnet20': ((), 'layer2.0.downsample.1.running_var'),
    'resnet8x4': ((), 'layer1.0.downsample.0.weight'),
    'resnet50_32px': (
        ((r'^fc\.', 'linear.'), (r'\.downsample\.', '.shortcut.')),
        'layer1.0.shortcut.1.running_mean',
    ),
    'wrn_16_2': (
        ((r'^layer(\d)\.', r'block\1.layer.'), (r'\.shortcut\.', '.convShortcut.')),
        'block2.layer.0.convShortcut.weight',
    ),
    'vgg13': (((r'^fc\.', 'classifier.'),), 'block4.3.weight'),
    'mobilenetv2_half': (((r'^fc\.', 'classifier.0.'),), 'blocks.1.0.conv.7.running_var'),
    'shufflenetv1': (((r'^fc\.', 'linear.'),), 'layer1.0.conv3.weight'),
    'shufflenetv2': (((r'^fc\.', 'linear.'),), 'layer3.0.bn5.bias'),
    'mobilenetv1': (((r'^layers\.', 'model.'),), 'model.13.4.running_mean'),
}


def trained(name: str, **settings) -> nn.Module:
    """A network whose weights and running statistics differ from their initial values, in eval mode."""
    built = network(name, **settings)
    generator = torch.Generator().manual_seed(1)
    for key, value in built.state_dict().items():
        if value.is_floating_point():
            value.add_(torch.rand(value.shape, generator=generator) * (0.5 if 'running' in key else 0.02))
    return built.eval()


def renamed(state: dict, rules) -> dict:
    for ours, theirs in rules:
        state = {re.sub(ours, theirs, key): value for key, value in state.items()}
    return state


def loaded(built: nn.Module, checkpoint: dict) -> nn.Module:
    load_strictly(built, own_weights(built, checkpoint), 'teacher.pth')
    return built.eval()


@pytest.mark.parametrize('name', FOREIGN)
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_a_checkpoint_of_mdistiller_or_repdistiller_gives_the_same_logits(name, prefix):
    source = trained(name)
    rules, known = FOREIGN[name]
    state = renamed(source.state_dict(), rules)
    assert known in state
    checkpoint = {'epoch': 240, 'model': {prefix + key: value for key, value in state.items()}, 'accuracy': 79.4}
    target = loaded(network(name), checkpoint)
    assert torch.equal(target(images(name)).logits, source(images(name)).logits)


@pytest.mark.parametrize('name', OWN)
def test_our_own_checkpoints_and_bare_weights_keep_their_names(name):
    with torch.device('meta'):
        built = network(name)
    state = built.state_dict()
    files = [{'state_dict': {f'network.{key}': value for key, value in state.items()}, 'meta': {}}, {'model': state}]
    for file in (*files, state):
        assert list(own_weights(built, file)) == list(state)


@pytest.mark.parametrize(
    ('name', 'settings'),
    [('deit_compact_32px', dict(embed_dim=128, num_heads=2)), ('deit_small_32px', dict(embed_dim=384, num_heads=3))],
)
def test_a_deit_takes_timms_weights(name, settings):
    torch.manual_seed(2)
    source = timm.models.VisionTransformer(img_size=32, patch_size=4, num_classes=100, depth=12, **settings).eval()
    target = loaded(network(name), {'model': source.state_dict()})
    assert torch.allclose(target(images()).logits, source(images()), atol=1e-5)


@pytest.mark.parametrize('name', ['resnet18', 'mnasnet0_5', 'vit_b_32'])
def test_a_torchvision_network_takes_torchvisions_weights(name):
    with torch.device('meta'):
        source = models.get_model(name, num_classes=5)
    state = source.state_dict()
    with torch.device('meta'):
        target = models.get_model(name, num_classes=5)
    # Stands in for TorchvisionNetwork, whose search for stages would have to run the model.
    wrapper = nn.Module()
    wrapper.key_map = ((r'^(?!model\.)', 'model.'),)
    wrapper.model = target
    weights = own_weights(wrapper, state)
    wrapper.load_state_dict(weights, strict=True, assign=True)
    assert list(weights) == [f'model.{key}' for key in state]


def test_a_torchvision_network_takes_the_file_of_torchvisions_model_and_its_own():
    torch.manual_seed(2)
    source = models.resnet18(num_classes=5).eval()
    first = loaded(network('TorchvisionNetwork', 5, name='resnet18'), source.state_dict())
    ours = {'state_dict': {f'network.{key}': value for key, value in first.state_dict().items()}}
    second = loaded(network('TorchvisionNetwork', 5, name='resnet18'), ours)
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(first(x).logits, source(x))
    assert torch.equal(second(x).logits, source(x))


@pytest.mark.parametrize(('name', 'side'), [('googlenet', 64), ('inception_v3', 299)])
def test_networks_whose_published_weights_have_a_normalisation_of_their_own_take_it_along(name, side):
    torch.manual_seed(2)
    # The settings with which torchvision builds these networks for its own weights.
    source = models.get_model(name, num_classes=5, transform_input=True, init_weights=False).eval()
    target = loaded(network('TorchvisionNetwork', 5, name=name, init_weights=False), source.state_dict())
    x = torch.randn(1, 3, side, side)
    assert torch.equal(target(x).logits, source(x))
    other = network('TorchvisionNetwork', 5, name=name, init_weights=False, transform_input=False)
    assert not other.model.transform_input


def test_the_published_densenets_load_for_all_their_old_names():
    built = network('TorchvisionNetwork', 5, name='densenet121')
    state = {key.removeprefix('model.'): value for key, value in built.state_dict().items()}
    old = renamed(state, ((r'(denselayer\d+\.(?:norm|conv))(\d)\.', r'\1.\2.'),))
    assert 'features.denseblock1.denselayer1.norm.1.weight' in old
    assert own_weights(built, old).keys() == built.state_dict().keys()


def test_a_timm_network_takes_the_file_of_timms_model():
    torch.manual_seed(2)
    source = timm.create_model('test_resnet', num_classes=5).eval()
    target = loaded(network('TimmNetwork', 5, name='test_resnet'), {'state_dict': source.state_dict()})
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(target(x).logits, source(x))


def test_versions_of_modules_come_along_under_their_new_names():
    built = network('TorchvisionNetwork', 5, name='mnasnet0_5')
    state = built.model.state_dict()
    weights = own_weights(nn.Sequential(OrderedDict(network=built)), state)
    assert weights._metadata == state._metadata
    weights = own_weights(built, state, prefix='network.')
    assert all(key.startswith('network.model.') for key in weights)
    assert weights._metadata['network.model'] == state._metadata['']
    nn.Sequential(OrderedDict(network=built)).load_state_dict(weights, strict=True)


def test_weights_of_a_compiled_network_load():
    source = trained('resnet20')
    target = loaded(network('resnet20'), torch.compile(source).state_dict())
    assert torch.equal(target(images()).logits, source(images()).logits)


def test_nothing_is_dropped_and_nothing_made_up():
    state = network('vgg8').state_dict()
    assert 'elsewhere.weight' in own_weights(network('vgg8'), {'model': state | {'elsewhere.weight': torch.zeros(1)}})
    del state['fc.bias']
    assert own_weights(network('vgg8'), state).keys() == state.keys()


def test_two_names_that_would_become_one_stay_two():
    state = network('vgg8').state_dict()
    both = state | {'classifier.weight': torch.zeros(100, 512)}
    assert own_weights(network('vgg8'), both).keys() == both.keys()


@pytest.mark.parametrize(
    ('name', 'other', 'found'),
    [
        ('resnet20', 'resnet56', r'216 unexpected \(layer1\.3\.conv1\.weight'),
        ('resnet56', 'resnet20', r'180 missing \(layer1\.3\.conv1\.weight'),
        ('resnet8x4', 'wrn_16_2', r'missing .*unexpected'),
        (
            'wrn_40_1',
            'wrn_40_2',
            r'of another shape \(.*layer1\.0\.conv1\.weight \(32, 16, 3, 3\) for \(16, 16, 3, 3\)',
        ),
    ],
)
def test_a_file_of_another_network_is_refused_with_what_was_found(name, other, found):
    with pytest.raises(RuntimeError, match=found):
        loaded(network(name), {'model': network(other).state_dict()})


def test_a_file_for_other_classes_is_refused_with_both_numbers():
    with pytest.raises(RuntimeError, match=r'fc\.weight \(10, 64\) for \(100, 64\)'):
        loaded(network('resnet20'), network('resnet20', 10).state_dict())


def test_a_file_that_makes_no_sense_to_the_network_comes_back_as_it_is():
    file = {'generator': {'a.b': torch.zeros(1)}, 'epoch': 3}
    assert own_weights(network('resnet20'), file, prefix='network.') == file
    with pytest.raises(RuntimeError, match='missing.*generator'):
        loaded(network('resnet20'), file)
