"""The norms before the last ReLU of each stage, which OFD's margins need."""

from functools import singledispatch

import torchvision
from torch import nn

from luminet_det.classification.models.library_network import LibraryNetwork
from luminet_det.classification.models.resnet import ResNet
from luminet_det.classification.models.vgg import VGG
from luminet_det.classification.models.wide_resnet import WideResNet

Norms = tuple[nn.BatchNorm2d, ...]


@singledispatch
def norms_before_relu(network: nn.Module) -> Norms:
    """One norm for each of the network's features, stem first.

    In a ResNet it is the last norm in the residual branch of a stage's last block, before the shortcut is added; in a
    wide ResNet it is the norm after that sum.

    Raises:
        ValueError: These norms are not known for the network.
    """
    raise ValueError(
        f'The norms before the last ReLU of each stage are not known for {type(network).__name__}; they are for the '
        'ResNets, wide ResNets and VGGs of luminet_det and the ResNets of torchvision. Choose one of these as the '
        'teacher, or another loss.'
    )


@norms_before_relu.register
def _(network: ResNet) -> Norms:
    return network.bn1, *(_last_norm(getattr(network, stage)[-1]) for stage in network.stages)


@norms_before_relu.register
def _(network: WideResNet) -> Norms:
    # A stage ends in a plain sum; the norm and ReLU after it are the first ones of the next stage.
    return *(stage[0].bn1 for stage in (network.layer1, network.layer2, network.layer3)), network.bn1


@norms_before_relu.register
def _(network: VGG) -> Norms:
    return tuple(block[-1] for _, block in network.named_children() if isinstance(block, nn.Sequential))


@norms_before_relu.register
def _(network: LibraryNetwork) -> Norms:
    model = network.model
    if not isinstance(model, torchvision.models.ResNet):
        return norms_before_relu(model)
    return model.bn1, *(_last_norm(stage[-1]) for stage in (model.layer1, model.layer2, model.layer3, model.layer4))


def _last_norm(block: nn.Module) -> nn.BatchNorm2d:
    return block.bn3 if hasattr(block, 'bn3') else block.bn2
