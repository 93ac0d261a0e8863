"""Each network has exactly as many parameters as the variant behind the published numbers."""

import pytest
import torch

from tests.classification.models.networks import OWN, network


def narrow_resnet(blocks: int) -> int:
    """Parameters of a CIFAR ResNet with `blocks` blocks per stage and 100 classes, counted from its structure."""

    def block(channels: int, width: int) -> int:
        convolutions = 9 * width * (channels + width) + 4 * width
        return convolutions + (width * channels + 2 * width if channels != width else 0)

    stages = sum(block(c, w) + (blocks - 1) * block(w, w) for c, w in ((16, 16), (16, 32), (32, 64)))
    return 3 * 9 * 16 + 2 * 16 + stages + 65 * 100


def vgg(*convolutions: int) -> int:
    """Parameters of a VGG with 100 classes and this many convolutions in each of its five stages."""
    channels, total = 3, 513 * 100
    for width, count in zip((64, 128, 256, 512, 512), convolutions, strict=True):
        for _ in range(count):
            total += 9 * channels * width + 3 * width  # 3 * width: the convolution's biases, and the norm
            channels = width
    return total


PUBLISHED = {
    'resnet8': narrow_resnet(1),
    'resnet14': narrow_resnet(2),
    'resnet20': 278_324,
    'resnet32': 472_756,
    'resnet44': narrow_resnet(7),
    'resnet56': 861_620,
    'resnet110': 1_736_564,
    'resnet8x4': 1_233_540,
    'resnet32x4': 7_433_860,
    'wrn_16_2': 703_284,
    'wrn_40_1': 569_780,
    'wrn_40_2': 2_255_156,
    'vgg8': 3_965_028,
    'vgg11': vgg(1, 1, 2, 2, 2),
    'vgg13': 9_462_180,
    'mobilenetv2_half': 812_836,
    'shufflenetv1': 949_258,
    'shufflenetv2': 1_355_528,
    'resnet50_32px': 23_705_252,
    'resnet18_32px': 11_220_132,
    'deit_small_32px': 21_376_996,
    'deit_compact_32px': 2_407_140,
    'mobilenetv1': 4_231_976,
    # torchvision's networks for ImageNet.
    'resnet34': 21_797_672,
    'resnet18': 11_689_512,
}
TORCHVISION = {'resnet34', 'resnet18'}


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize('name', PUBLISHED)
def test_a_network_has_the_published_number_of_parameters(name):
    if name in TORCHVISION:
        built = network('TorchvisionNetwork', 1000, name=name)
    else:
        with torch.device('meta'):
            built = network(name, 1000 if name == 'mobilenetv1' else 100)
    assert parameters(built) == PUBLISHED[name]


def test_every_network_of_the_package_is_counted():
    assert set(OWN) == PUBLISHED.keys() - TORCHVISION


def test_the_formula_of_resnet44_agrees_with_the_published_counts():
    assert [narrow_resnet(n) for n in (3, 5, 9, 18)] == [278_324, 472_756, 861_620, 1_736_564]


def test_the_formula_of_vgg11_agrees_with_the_published_counts():
    assert [vgg(*[n] * 5) for n in (1, 2)] == [3_965_028, 9_462_180]
    assert vgg(1, 1, 2, 2, 2) == 9_277_284


@pytest.mark.parametrize(('name', 'blocks'), [('deit_small_32px', 21_293_568), ('deit_compact_32px', 2_379_264)])
def test_the_blocks_of_a_deit_alone_have_the_number_that_its_paper_quotes(name, blocks):
    with torch.device('meta'):
        assert parameters(network(name).encoder.layers) == blocks
