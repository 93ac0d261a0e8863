"""The class that a config's `type` stands for, and its name."""

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def class_name(setting: Any) -> str:
    """The name without its scope: `AmpOptimWrapper` for `type='mmengine.AmpOptimWrapper'` and for the class itself.

    Args:
        setting: A config with a `type`, which names a class or, in configs of pure Python, is one.

    Returns:
        The name; empty if there is no `type`.
    """
    kind = setting.get('type') or '' if isinstance(setting, Mapping) else ''
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]


def named_class(registry: Registry, kind: Any) -> Any:
    """The class that a `type` names, or is; None if it is unknown, for which the registry has its own error.

    As in building, a name without a scope belongs to the default scope.
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
