"""The network of a classifier, any module that gives logits: built by its name, and what its last layer is."""

from difflib import get_close_matches

from torch import nn

from luminet_det.classification import models
from luminet_det.distillation.settings import check_keys, settings_of, takes_any
from luminet_det.registry import MODELS

OF_REGISTRY = {'type', '_scope_'}


def build_network(setting: dict) -> nn.Module:
    """Build a network by its config.

    Raises:
        ValueError: There is none of that name, or it has no such setting; the message names the nearest known one.
    """
    kind = setting.get('type')
    if isinstance(kind, str) and kind.startswith('luminet_det.') and MODELS.get(kind) is None:
        known = [f'luminet_det.{name}' for name in models.__all__ if name not in ('Outputs', 'own_weights')]
        # What users register is there as well, among losses and models.
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
    """Columns of a network's logits, without running it.

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
        raise ValueError(f'{type(network).__name__} has no linear layer: it is no classification network.')
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return (linear or layers)[-1]


def weights_of_classes(network: nn.Module) -> list[str]:
    """Names of the weights that have a row for each class: of the layer that gives the logits, and of others as wide.

    Beside it these are of auxiliary classifiers, and of a second token's.
    """
    outputs = num_logits(network)
    return [
        f'{name}.{parameter}'.lstrip('.')
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and len(module.weight) == outputs
        for parameter, _ in module.named_parameters(recurse=False)
    ]
