"""Looks up dotted config keys, and suggests what was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from mmengine.config import Config


def lookup(cfg: Config, key: str) -> object:
    """What the config has at `model.distill.0.loss.tau`; numbers are indices into lists.

    Raises:
        KeyError: The config has no such key.
    """
    found = cfg
    for part in key.split('.'):
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict | Config) and part in found:
            found = found[part]
        else:
            raise KeyError(key)
    return found


def check_keys(cfg: Config, keys: Iterable[str]) -> None:
    """Refuse options that the config does not have, because a run would silently ignore them.

    Raises:
        KeyError: The config lacks a key; the message names the nearest that it has.
    """
    for key in keys:
        try:
            lookup(cfg, key)
        except KeyError:
            near = get_close_matches(key, _leaves(cfg), n=3, cutoff=0.6)
            meant = f'Did you mean {" or ".join(near)}?' if near else f'At {_reached(cfg, key)}.'
            raise KeyError(
                f'the config has no option {key}. {meant} One that it leaves at its default can be swept once it '
                f'is written there, or given as: -- --cfg-options {key}=<default>'
            ) from None


def _leaves(cfg: Config) -> list[str]:
    found: list[str] = []

    def walk(value: object, path: str) -> None:
        if path:
            found.append(path)
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, part in parts:
            walk(part, f'{path}.{name}' if path else str(name))

    walk(cfg.to_dict(), '')
    return found


def _reached(cfg: Config, key: str) -> str:
    """How far the key leads, and what is there."""
    parts = key.split('.')
    for end in range(len(parts) - 1, 0, -1):
        path = '.'.join(parts[:end])
        try:
            found = lookup(cfg, path)
        except KeyError:
            continue
        if isinstance(found, dict):
            return f'{path} there are the keys {", ".join(map(str, found))}'
        return f'{path} there is {found!r:.60}'
    return f'the top there are the keys {", ".join(cfg.keys())}'
