"""Checks of loss settings: an invalid number or switch is an error that names the setting."""

import math
from numbers import Real

from torch import nn


def positive(name: str, value: float) -> float:
    """The setting as a float; ValueError naming it unless it is finite and above zero."""
    if not isinstance(value, Real) or not 0 < value < math.inf:
        raise ValueError(f'{name} must be a finite number above 0, got {name}={value!r}')
    return float(value)


def not_negative(name: str, value: float) -> float:
    """The setting as a float; ValueError naming it unless it is finite and at least zero."""
    if not isinstance(value, Real) or not 0 <= value < math.inf:
        raise ValueError(f'{name} must be a finite number, 0 or above, got {name}={value!r}')
    return float(value)


def flag(name: str, value: bool) -> bool:
    """The setting as it is; ValueError naming it unless it is True or False, as `'False'` in quotes is neither."""
    if not isinstance(value, bool):
        raise ValueError(f'{name} must be True or False, got {name}={value!r}')
    return value


def require_a_part(loss: nn.Module, *weights: str) -> None:
    """Raise ValueError unless one of these attributes, the factors on the parts of a loss, is above zero."""
    if not any(getattr(loss, weight) for weight in weights):
        raise ValueError(
            f'{type(loss).__name__} has nothing to compare: set one of {", ".join(weights[:-1])} and {weights[-1]} '
            'above 0, or switch the whole term off with loss_weight=0.'
        )
