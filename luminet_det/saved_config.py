"""The config that a checkpoint was trained by, read without running it, and what another one has otherwise."""

import ast
from collections.abc import Iterator

DECISIVE = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader')
# How data is loaded, not which.
INDIFFERENT = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')


def changes(before: str, now: str) -> list[str]:
    """What decides the outcome of a training and is another in one of two configs.

    Args:
        before: One config as Python source, as mmengine writes it into checkpoints (`Config.pretty_text`).
        now: The other one.

    Returns:
        A line for each setting, as `train_cfg.max_iters: 12000 -> 24000`.
    """
    old, new = _settings(before), _settings(now)
    return [
        f'{name}: {old.get(name, "not there")} -> {new.get(name, "not there")}'
        for name in {**old, **new}
        if old.get(name) != new.get(name) and name.rpartition('.')[2] not in INDIFFERENT
    ]


def _settings(source: str) -> dict[str, str]:
    """The source of each value, by its dotted name."""
    found: dict[str, str] = {}
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id in DECISIVE:
            found |= _leaves(line.targets[0].id, line.value)
    return found


def _leaves(name: str, node: ast.expr) -> dict[str, str]:
    parts = [*_parts(node)]
    if not parts:
        return {name: ast.unparse(node)}
    return {key: value for part, inner in parts for key, value in _leaves(f'{name}.{part}', inner).items()}


def _parts(node: ast.expr) -> Iterator[tuple[object, ast.expr]]:
    """The items of a dict, or of a list of dicts; a list of numbers is one value."""
    match node:
        case ast.Call(func=ast.Name(id='dict'), args=args, keywords=keywords):
            for mapping in args:  # whose keys are no identifiers
                yield from _parts(mapping)
            yield from ((keyword.arg, keyword.value) for keyword in keywords)
        case ast.Dict(keys=keys, values=values):
            yield from zip(map(ast.literal_eval, keys), values, strict=True)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            if any(isinstance(item, ast.Call | ast.Dict) for item in items):
                yield from enumerate(items)
