"""Classification networks: each returns logits, stage features before and after the last ReLU, and the embedding."""

from .checkpoints import own_weights
from .deit import deit_compact_32px, deit_small_32px
from .mobilenetv1 import mobilenetv1
from .mobilenetv2 import mobilenetv2_half
from .outputs import Outputs
from .resnet import (
    resnet8,
    resnet8x4,
    resnet14,
    resnet18_32px,
    resnet20,
    resnet32,
    resnet32x4,
    resnet44,
    resnet50_32px,
    resnet56,
    resnet110,
)
from .shufflenetv1 import shufflenetv1
from .shufflenetv2 import shufflenetv2
from .timm_network import TimmNetwork
from .torchvision_network import TorchvisionNetwork
from .vgg import vgg8, vgg11, vgg13
from .wide_resnet import wrn_16_2, wrn_40_1, wrn_40_2

__all__ = [
    'Outputs',
    'TimmNetwork',
    'TorchvisionNetwork',
    'deit_compact_32px',
    'deit_small_32px',
    'mobilenetv1',
    'mobilenetv2_half',
    'own_weights',
    'resnet8',
    'resnet8x4',
    'resnet14',
    'resnet18_32px',
    'resnet20',
    'resnet32',
    'resnet32x4',
    'resnet44',
    'resnet50_32px',
    'resnet56',
    'resnet110',
    'shufflenetv1',
    'shufflenetv2',
    'vgg8',
    'vgg11',
    'vgg13',
    'wrn_16_2',
    'wrn_40_1',
    'wrn_40_2',
]
