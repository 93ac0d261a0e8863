"""The network of a classifier, any module that returns logits: building it by name, and finding its last layer."""

from difflib import get_close_matches

from torch import nn

from luminet_det.classification import models
from luminet_det.distillation.settings import check_keys, settings_of, takes_any
from luminet_det.registry import MODELS

OF_REGISTRY = {'type', '_scope_'}


def build_network(setting: dict) -> nn.Module:
    """Build a network by its config.

    Raises:
        ValueError: No network has this name, or it has no such setting; the message names the nearest known one.
    """
    kind = setting.get('type')
    if isinstance(kind, str) and kind.startswith('luminet_det.') and MODELS.get(kind) is None:
        known = [f'luminet_det.{name}' for name in models.__all__ if name not in ('Outputs', 'own_weights')]
        # The registry also has what users register, among losses and other models.
        near = get_close_matches(kind, known + [f'luminet_det.{name}' for name in MODELS.module_dict], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ''
        raise ValueError(
            f'There is no network {kind!r}.{hint} Known: {", ".join(known)}, and what you register in '
            'luminet_det.registry.MODELS and import by custom_imports.'
        )
    made = MODELS.get(kind) if isinstance(kind, str) else kind
    if made is not None and not takes_any(made):
        check_keys(f'The network {kind}', {*setting} - OF_REGISTRY, settings_of(made))
    return MODELS.build(setting)


def num_logits(network: nn.Module) -> int:
    """Number of a network's logits, found without running it.

    Its `num_classes` where it has one, else the outputs of its last linear layer in the order of definition, or of its
    last convolution if it has none.
    """
    if isinstance(said := getattr(network, 'num_classes', None), int):
        return said
    layer = last_layer(network)
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def last_layer(network: nn.Module) -> nn.Linear | nn.Conv2d:
    """The layer that gives the logits.

    Raises:
        ValueError: The network has neither a linear layer nor a convolution.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    if not layers:
        raise ValueError(f'{type(network).__name__} has no linear layer: it is not a classification network.')
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return (linear or layers)[-1]


def weights_of_classes(network: nn.Module) -> list[str]:
    """Names of the weights with a row per class: those of the layer that gives the logits, and of others as wide.

    The others are auxiliary classifiers, and the head of a second token.
    """
    outputs = num_logits(network)
    return [
        f'{name}.{parameter}'.lstrip('.')
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and len(module.weight) == outputs
        for parameter, _ in module.named_parameters(recurse=False)
    ]
