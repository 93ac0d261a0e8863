"""Networks of timm that give feature maps, built so that they take images of any size where they can."""

from collections.abc import Sequence
from difflib import get_close_matches

from torch import nn

from luminet_det.backbones.stages import cut_after, module_of_level

# What lets a network take images of any size; each family of timm's knows some of these, or none.
ANY_SIZE = dict(dynamic_img_size=True, dynamic_img_pad=True, strict_img_size=False)


def create_network(
    model_name: str, out_indices: Sequence[int], drop_path_rate: float, timm_options: dict, **loading
) -> tuple[nn.Module, list[int]]:
    """Build a network without what runs after its last output.

    Args:
        model_name: As in `timm.list_models()`.
        out_indices: Levels to give, in rising order; negative ones count from the last.
        drop_path_rate: Rate of stochastic depth.
        timm_options: More options of `timm.create_model`.
        **loading: `pretrained` and `pretrained_cfg_overlay` of `timm.create_model`.

    Returns:
        The network, and its levels counted from the first.

    Raises:
        ImportError: timm is not installed.
        ValueError: A name, level or option is not among those that timm has.
    """
    _require_name(model_name)
    options = dict(timm_options, **loading)
    try:
        network = _create(model_name, drop_path_rate, dict(options, out_indices=tuple(out_indices)))
        every = range(len(network.feature_info.info))
        levels = [every[i] for i in out_indices]
        if not levels or levels != sorted(set(levels)):
            raise IndexError('they must rise')
    except (AssertionError, IndexError, ValueError) as error:
        # If it fails without the levels too, then another setting is to blame, and that error comes out.
        every_level = _create(model_name, drop_path_rate, options)
        raise ValueError(_choice(model_name, out_indices, every_level)) from error
    cut_after(network, module_of_level(network, levels[-1]))
    return network, levels


def _require_name(model_name: str) -> None:
    try:
        import timm
    except ImportError as error:
        raise ImportError("luminet_det.TimmBackbone needs timm: pip install 'timm>=1.0.16'") from error
    if not timm.is_model(model_name):
        near = get_close_matches(model_name.partition('.')[0], timm.list_models(), n=5, cutoff=0.4)
        hint = f'The nearest: {", ".join(near)}.' if near else 'See timm.list_models().'
        raise ValueError(f'timm {timm.__version__} has no model_name={model_name!r}. {hint}')


def _create(model_name: str, drop_path_rate: float, options: dict) -> nn.Module:
    import timm

    offered = dict(ANY_SIZE, drop_path_rate=drop_path_rate)
    while True:
        try:
            return timm.create_model(model_name, features_only=True, **offered | options)
        except TypeError as error:
            # A network refuses an option before it builds anything.
            refused = [name for name in offered if f"'{name}'" in str(error)]
            if not refused:
                raise ValueError(f"timm's {model_name} cannot be built with {options}: {error}") from error
            if 'drop_path_rate' in refused and drop_path_rate:
                raise ValueError(
                    f"timm's {model_name} has no drop path; remove drop_path_rate={drop_path_rate}."
                ) from error
            offered = {name: value for name, value in offered.items() if name not in refused}


def _choice(model_name: str, out_indices: Sequence[int], network: nn.Module) -> str:
    levels = [
        f'{i} (stride {level["reduction"]}, {level["num_chs"]} channels)'
        for i, level in enumerate(network.feature_info.info)
    ]
    return (
        f'out_indices={tuple(out_indices)} must rise and be among the levels of {model_name}, which are '
        f'{", ".join(levels)}.'
    )
