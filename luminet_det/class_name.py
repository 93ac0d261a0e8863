"""The name of the class that a config's `type` stands for."""

from collections.abc import Mapping
from typing import Any


def class_name(setting: Any) -> str:
    """Without its scope: `AmpOptimWrapper` of `type='mmengine.AmpOptimWrapper'`, and of the class itself.

    Args:
        setting: A config with a `type`, which names a class or, in configs of pure Python, is one.

    Returns:
        Empty where there is none.
    """
    kind = setting.get('type') or '' if isinstance(setting, Mapping) else ''
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]
