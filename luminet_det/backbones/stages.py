"""Where the levels of a timm network are computed: timm registers modules in the order in which they run."""

from torch import nn


def module_of_level(network: nn.Module, level: int) -> str | None:
    """The name in `network` of the module that gives a level, None where timm does not tell.

    timm's `feature_info` names the module of the whole classifier; what takes the features out of it may keep the
    classifier as `model` or `body`, or raise the children of its sequences by one step (`stages.0` to `stages_0`).
    """
    name = network.feature_info[level]['module']
    names = {found for found, _ in network.named_modules()}
    spellings = (name, name.replace('.', '_', 1), f'model.{name}', f'body.{name}')
    return next((spelling for spelling in spellings if spelling in names), None)


def cut_after(network: nn.Module, name: str | None) -> None:
    """Remove what follows the module `name` in the sequences that it stands in: no output needs it."""
    module = network
    for part in name.split('.') if name else ():
        if isinstance(module, nn.Sequential):
            del module[[child for child, _ in module.named_children()].index(part) + 1 :]
        module = getattr(module, part)


def count_stages(network: nn.Module, last: int) -> int:
    """How many stages, in the sense of mmdet's ResNet, the levels up to `last` are."""
    return len(_stages(network, last))


def names_up_to_stage(network: nn.Module, stage: int, last: int) -> list[str] | None:
    """Names of the modules of the stem and the first `stage` stages, None where timm does not tell which they are.

    Args:
        network: Of timm, with `feature_info`.
        stage: From 0, the stem alone.
        last: The last level that the network gives.
    """
    names = [name for name, _ in network.named_modules()]
    level = _stages(network, last)[stage - 1] if stage else _stages(network, last)[0] - 1
    end = module_of_level(network, max(level, 0))
    if end is None:
        return None
    # Where the first level is a stage already, the stem has no name: it is what stands before that.
    if level < 0:
        return names[: names.index(end)]
    return names[: max(i for i, name in enumerate(names) if f'{name}.'.startswith(f'{end}.')) + 1]


def _stages(network: nn.Module, last: int) -> list[int]:
    return [level for level in range(last + 1) if network.feature_info[level]['reduction'] >= 4]
