"""A network returns the outputs that it promises, and runs no layer twice for them."""

from collections import Counter

import pytest
import torch
from torch import nn

from luminet_det.classification.models import Outputs
from tests.classification.models.networks import CIFAR, DEIT, OWN, images, network

own = pytest.mark.parametrize('name', OWN)


@own
def test_one_training_step_runs_every_layer_once_and_reaches_every_parameter(name):
    built = network(name)
    calls = Counter()
    layers = {m: key for key, m in built.named_modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.LayerNorm))}
    for module, key in layers.items():
        module.register_forward_hook(lambda *_, key=key: calls.update([key]))
    built(images(name)).logits.square().sum().backward()
    assert calls == dict.fromkeys(layers.values(), 1)
    assert {int(norm.num_batches_tracked) for norm in layers if isinstance(norm, nn.BatchNorm2d)} <= {1}
    assert [key for key, p in built.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('name', CIFAR)
def test_features_have_the_sizes_of_the_benchmark_and_are_what_the_relu_leaves(name):
    sizes, width = CIFAR[name]
    outputs = network(name)(images())
    assert isinstance(outputs, Outputs)
    assert outputs.logits.shape == (2, 100)
    assert outputs.embedding.shape == (2, width)
    assert tuple(maps.shape[2] for maps in outputs.features) == sizes
    linear = (1, 2, 3, 4) if name == 'mobilenetv2_half' else ()
    for i, (after, before) in enumerate(zip(outputs.features, outputs.before_relu, strict=True)):
        # An in-place ReLU would have left no value below zero.
        assert before.min() < 0
        assert after is before if i in linear else torch.equal(after, before.relu())


def test_mobilenetv2_gives_the_channels_of_the_benchmark():
    assert [maps.shape[1] for maps in network('mobilenetv2_half')(images()).features] == [16, 12, 16, 48, 160]


def test_mobilenetv1_gives_the_last_maps_of_each_size():
    outputs = network('mobilenetv1')(images('mobilenetv1'))
    assert [tuple(m.shape[1:3]) for m in outputs.features] == [(64, 32), (128, 16), (256, 8), (512, 4), (1024, 2)]
    for after, before in zip(outputs.features, outputs.before_relu, strict=True):
        assert torch.equal(after, before.relu())
        assert before.min() < 0


@pytest.mark.parametrize('name', DEIT)
def test_a_deit_gives_tokens_before_and_after_each_block(name):
    built = network(name).eval()
    outputs = built(images())
    assert {tokens.shape for tokens in outputs.features} == {(2, 65, outputs.embedding.shape[1])}
    assert len(outputs.features) == 13
    assert torch.allclose(built.encoder.ln(outputs.features[-1])[:, 0], outputs.embedding, atol=1e-6)


def test_a_deit_is_torchvisions_vision_transformer():
    built = network('deit_compact_32px').eval()
    expected = super(type(built), built).forward(images())
    assert torch.allclose(built(images()).logits, expected, atol=1e-5)


def test_a_deit_does_not_start_with_equal_logits():
    assert network('deit_compact_32px').eval()(images()).logits.std(1).min() > 0.01


def test_a_deit_says_which_images_it_takes():
    with pytest.raises(ValueError, match='32 x 32; found 64 x 64'):
        network('deit_compact_32px')(torch.zeros(1, 3, 64, 64))


@own
def test_the_last_layer_makes_the_logits_of_the_embedding(name):
    built = network(name, 7).eval()
    outputs = built(images(name))
    last = [module for module in built.modules() if isinstance(module, nn.Linear)][-1]
    assert outputs.logits.shape == (2, 7)
    assert torch.allclose(outputs.embedding @ last.weight.T + last.bias, outputs.logits, atol=1e-5)


@pytest.mark.parametrize('name', ['resnet8x4', 'wrn_16_2', 'shufflenetv2'])
def test_a_network_compiles_into_one_graph(name):
    built = network(name).eval()
    compiled = torch.compile(built, backend='eager', fullgraph=True)
    assert torch.equal(compiled(images()).logits, built(images()).logits)


@pytest.mark.parametrize('name', ['resnet8x4', 'wrn_16_2', 'vgg8', 'mobilenetv2_half', 'resnet18_32px'])
def test_channels_last_runs_through_to_the_last_maps(name):
    built = network(name).eval()
    expected = built(images()).logits
    outputs = built.to(memory_format=torch.channels_last)(images().contiguous(memory_format=torch.channels_last))
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in (*outputs.features, *outputs.before_relu))
    assert torch.allclose(outputs.logits, expected, atol=1e-4)


@pytest.mark.parametrize(
    ('name', 'layer', 'deviation'),
    [
        ('resnet32x4', 'layer3.1.conv1', (2 / (9 * 256)) ** 0.5),
        ('wrn_40_2', 'layer3.1.conv1', (2 / (9 * 128)) ** 0.5),
        ('vgg8', 'block4.0', (2 / (9 * 512)) ** 0.5),
        ('mobilenetv2_half', 'conv2.0', (2 / 1280) ** 0.5),
        ('mobilenetv2_half', 'fc', 0.01),
        ('deit_compact_32px', 'encoder.layers.encoder_layer_0.mlp.0', 0.02),
    ],
)
def test_weights_start_as_the_docstring_says(name, layer, deviation):
    assert network(name).get_submodule(layer).weight.detach().std() == pytest.approx(deviation, rel=0.03)


def test_vgg_halves_larger_images_once_more():
    sizes = [maps.shape[2] for maps in network('vgg8')(torch.zeros(2, 3, 64, 64)).features]
    assert sizes == [64, 32, 16, 8, 4]


def test_a_wide_resnet_of_an_impossible_depth_is_refused():
    from luminet_det.classification.models.wide_resnet import WideResNet

    with pytest.raises(ValueError, match='6 n \\+ 4.*found depth=17'):
        WideResNet(17, 1, 10)
