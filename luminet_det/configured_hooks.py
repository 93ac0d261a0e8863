"""The hooks of a config, each with the place where it is set."""

from collections.abc import Mapping


def configured_hooks(cfg: Mapping) -> dict[str, object]:
    """The hooks in `default_hooks` and `custom_hooks`, by their place in the config, such as `custom_hooks.0`."""
    default = {f'default_hooks.{name}': hook for name, hook in (cfg.get('default_hooks') or {}).items()}
    return default | {f'custom_hooks.{i}': hook for i, hook in enumerate(cfg.get('custom_hooks') or [])}
