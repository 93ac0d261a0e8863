"""Transforms as a config describes them: the views of an image, and each transform by name and arguments."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from torch import Tensor


def views_of(transforms: Sequence | None) -> list[list[Mapping]]:
    """The list of transforms of each view.

    Args:
        transforms: None, a list of configs (one view), or a list of such lists (a view each).

    Raises:
        TypeError: `transforms` is none of these, or a mixture.
    """
    listed = list(transforms or [])
    if listed and all(isinstance(view, list | tuple) for view in listed):
        return [views_of(view)[0] for view in listed]
    for config in listed:
        if not isinstance(config, Mapping) or 'type' not in config:
            raise TypeError(
                f"transforms has {config!r}; expected a list of dict(type='RandomHorizontalFlip', ...), or, for "
                'several views of each image, one such list per view.'
            )
    return [listed]


def join_views(views: Sequence[Tensor], join: Callable[[Sequence[Tensor]], Tensor]) -> Tensor:
    """The views of one image or batch as one tensor; ValueError unless all have the same size."""
    sizes = [tuple(view.shape[-2:]) for view in views]
    if len(set(sizes)) > 1:
        raise ValueError(f'The views differ in size: {sizes}. End the transforms of each with the same size.')
    return join(views)


def build(config: Mapping, kinds: Mapping[str, Any]) -> Any:
    """Build the transform that `config` describes.

    Args:
        config: `type`, a name in `kinds`, and arguments.
        kinds: Transforms by name.

    Raises:
        KeyError: An unknown name.
        TypeError: An unknown or missing argument.
        ValueError: A value that the transform rejects.
    """
    settings = dict(config)
    name = settings.pop('type')
    if name not in kinds:
        near = get_close_matches(str(name), kinds, n=3, cutoff=0.4)
        raise KeyError(f'There is no transform {name!r}. ' + (f'Nearest: {", ".join(near)}.' if near else ''))
    signature = inspect.signature(kinds[name])
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for key in settings:
        if key not in signature.parameters and not open_ended:
            near = get_close_matches(key, signature.parameters, n=1, cutoff=0.4)
            hint = f'nearest: {near[0]}; ' if near else ''
            raise TypeError(f'{name} has no argument {key!r} ({hint}it takes {", ".join(signature.parameters)}).')
    try:
        return kinds[name](**settings)
    except TypeError as error:
        raise TypeError(f'{dict(config)!r}: {error}. Arguments: {name}{signature}') from error
    except ValueError as error:
        raise ValueError(f'{dict(config)!r}: {error}') from error
