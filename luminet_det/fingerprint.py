"""Fingerprint: a short digest of what decides the outcome of a run."""

import hashlib
import json

from mmengine.config import Config


def fingerprint(cfg: Config, *more: object) -> str:
    """Digest a config and more, such as seed and flags; 1 and 1.0 count as equal, and the order of keys is ignored."""
    content = json.dumps([_canonical(cfg.to_dict()), *more], default=_described)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return sorted((str(key), _canonical(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return [_canonical(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _described(value: object) -> str:
    return getattr(value, '__qualname__', None) or repr(value)
