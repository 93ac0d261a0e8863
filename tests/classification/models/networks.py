"""Every network of the package, and images of a size to test it with."""

import torch

from luminet_det.registry import MODELS

# Side lengths of the feature maps for images of 32 pixels, and width of the embedding, as in the CRD benchmark.
RESNET, VGG, SHUFFLE = (32, 32, 16, 8), (32, 16, 8, 4, 4), (32, 16, 8, 4)
CIFAR = {
    'resnet8': (RESNET, 64),
    'resnet14': (RESNET, 64),
    'resnet20': (RESNET, 64),
    'resnet32': (RESNET, 64),
    'resnet44': (RESNET, 64),
    'resnet56': (RESNET, 64),
    'resnet110': (RESNET, 64),
    'resnet8x4': (RESNET, 256),
    'resnet32x4': (RESNET, 256),
    'wrn_16_2': (RESNET, 128),
    'wrn_40_1': (RESNET, 64),
    'wrn_40_2': (RESNET, 128),
    'vgg8': (VGG, 512),
    'vgg11': (VGG, 512),
    'vgg13': (VGG, 512),
    'mobilenetv2_half': ((16, 16, 8, 4, 2), 1280),
    'shufflenetv1': (SHUFFLE, 960),
    'shufflenetv2': (SHUFFLE, 1024),
    'resnet18_32px': ((32, *RESNET[1:], 4), 512),
    'resnet50_32px': ((32, *RESNET[1:], 4), 2048),
}
DEIT = ('deit_small_32px', 'deit_compact_32px')
# MobileNet-V1 is made for images of 224 pixels; 64 are enough to test it.
OWN = (*CIFAR, 'mobilenetv1', *DEIT)


def network(kind: str, num_classes: int = 100, /, **settings) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS.build(dict(type=f'luminet_det.{kind}', num_classes=num_classes, **settings))


def images(name: str = 'resnet20', count: int = 2) -> torch.Tensor:
    size = 64 if name == 'mobilenetv1' else 32
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))
