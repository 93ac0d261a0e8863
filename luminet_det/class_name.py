"""The class that a config's `type` stands for, and its name."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def class_name(setting: Any) -> str:
    """Without its scope: `AmpOptimWrapper` of `type='mmengine.AmpOptimWrapper'`, and of the class itself.

    Args:
        setting: A config with a `type`, which names a class or, in configs of pure Python, is one.

    Returns:
        Empty where there is none.
    """
    kind = setting.get('type') or '' if isinstance(setting, Mapping) else ''
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]


def named_class(registry: Registry, kind: Any) -> Any:
    """The class that a `type` names, or is; None of an unknown one, of which the registry has an error of its own.

    A name without a scope is of the default one, as where it is built.
    """
    if not isinstance(kind, str):
        return kind
    try:
        with registry.switch_scope_and_registry(None) as scope:
            return scope.get(kind)
    except (KeyError, ImportError):
        return None


def is_of(registry: Registry, setting: Mapping | None, kind: type) -> bool:
    """Whether the class that a config's `type` stands for is of this kind."""
    found = named_class(registry, (setting or {}).get('type'))
    return isinstance(found, type) and issubclass(found, kind)
