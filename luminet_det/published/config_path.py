"""A config's path from a command line: its folder, and how a page shows it."""

from pathlib import PurePath


def folder(config: str) -> str:
    """The folder of a config, below `configs`."""
    parts = PurePath(config).parent.parts
    if 'configs' in parts:
        parts = parts[len(parts) - parts[::-1].index('configs') :]
    return '/'.join(parts[-2:])


def shown(config: str) -> str:
    """A config's path without the folders of the machine that it is from."""
    path = PurePath(config)
    return f'configs/{folder(config)}/{path.name}' if path.is_absolute() else str(path)
