"""Compares the config of a checkpoint, read without running it, with another config."""

import ast
from collections.abc import Iterator

SECTIONS = (
    'model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'custom_hooks', 'val_dataloader',
    'val_evaluator',
)  # fmt: skip
# How data is loaded and when the model is validated, not what is learned.
INDIFFERENT = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'val_interval')
# Hooks that tools/train.py adds, or fills in from the command line.
OWN_HOOKS = ('DivergenceHook', 'ExactResumeHook', 'InterruptHook', 'MissedValidationHook', 'ResultHook')
ABSENT = ast.Name('not there')


def changes(before: str, now: str) -> list[str]:
    """What differs between two configs in model, data, loop, optimizer, schedules, hooks and evaluator.

    Args:
        before: One config as Python source, as mmengine writes it into checkpoints (`Config.pretty_text`).
        now: The other one.

    Returns:
        A line for each setting, such as `train_cfg.max_iters: 12000 -> 24000`; none if one of them is not valid Python.
    """
    try:
        old, new = _sections(before), _sections(now)
    except SyntaxError:
        return []
    return [*_changes('', old, new)]


def settings(source: str, section: str) -> set[str]:
    """Names of the settings in a section of a config; none if it is not valid Python or has no such section."""
    try:
        return {*_parts(_sections(source).get(section, ABSENT))}
    except SyntaxError:
        return set()


def _changes(place: str, old: dict[str, ast.expr], new: dict[str, ast.expr]) -> Iterator[str]:
    for name in {**old, **new}:
        one, other = old.get(name, ABSENT), new.get(name, ABSENT)
        parts = [_parts(node) for node in (one, other)]
        if name in INDIFFERENT or _source(one) == _source(other):
            continue
        if all(parts):
            yield from _changes(f'{place}{name}.', *parts)
        else:
            yield f'{place}{name}: {_source(one)} -> {_source(other)}'


def _sections(source: str) -> dict[str, ast.expr]:
    named = [(line.targets[0], line.value) for line in ast.parse(source).body if isinstance(line, ast.Assign)]
    found = {name.id: value for name, value in named if isinstance(name, ast.Name) and name.id in SECTIONS}
    if isinstance(hooks := found.get('custom_hooks'), ast.List):
        hooks.elts = [item for item in hooks.elts if not _is_own_hook(item)]
        if not hooks.elts:
            del found['custom_hooks']
    return found


def _parts(node: ast.expr) -> dict[str, ast.expr]:
    """The items of a dict, or of a list of dicts; a list of numbers is one value."""
    match node:
        case ast.Call(func=ast.Name(id='dict'), args=args, keywords=keywords):
            named = {keyword.arg: keyword.value for keyword in keywords}
            return {key: value for mapping in args for key, value in _parts(mapping).items()} | named
        case ast.Dict(keys=keys, values=values):
            return dict(zip((str(ast.literal_eval(key)) for key in keys), values, strict=True))
        case ast.List(elts=items) | ast.Tuple(elts=items) if any(_parts(item) for item in items):
            return {str(i): item for i, item in enumerate(items)}
    return {}


def _is_own_hook(node: ast.expr) -> bool:
    kind = _parts(node).get('type')
    return isinstance(kind, ast.Constant) and str(kind.value).rpartition('.')[2] in OWN_HOOKS


def _source(node: ast.expr) -> str:
    if isinstance(node, ast.Set):  # its order differs between processes
        return f'{{{", ".join(sorted(map(ast.unparse, node.elts)))}}}'
    return ast.unparse(node)
