"""Checks for mistyped settings: an unknown key is an error that names the nearest known one."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches

# Names in papers and other projects, and the names used here.
SYNONYMS = {
    'temperature': 'tau',
    'T': 'tau',
    't': 'tau',
    'weight': 'loss_weight',
    'checkpoint_path': 'checkpoint',
    'pretrained': 'checkpoint',
}
CATCHING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# Their meaning differs from paper to paper, so nothing is suggested for them.
GREEK = ('alpha', 'beta', 'gamma', 'delta', 'lambda', 'mu', 'sigma')


def check_keys(
    where: str, found: Iterable[str], known: Iterable[str], symbols: Mapping[str, str] | None = None
) -> None:
    """Raise ValueError if `found` has a key that is not in `known`.

    Args:
        where: The config line that contains the keys.
        found: The keys.
        known: The keys that exist.
        symbols: Names from a paper or its code, and the keys used for them here.
    """
    known, symbols = sorted(known), symbols or {}
    for key in found:
        if key not in known:
            hint = f' Here it is {symbols[key]}.' if key in symbols else did_you_mean(key, known)
            raise ValueError(f"{where} has no setting '{key}'.{hint} Known: {', '.join(known)}.")


def settings_of(made: Callable) -> list[str]:
    """The names of the parameters of a class or a function, without `*args` and `**kwargs`."""
    return [name for name, parameter in inspect.signature(made).parameters.items() if parameter.kind not in CATCHING]


def takes_any(made: Callable) -> bool:
    """Whether a class or a function has `**kwargs`."""
    return any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in inspect.signature(made).parameters.values()
    )


def did_you_mean(key: str, known: Sequence[str]) -> str:
    """A sentence that names the one of `known` that is most like `key`, after a space; empty if none is."""
    names = {name: name for name in known} | {k: v for k, v in SYNONYMS.items() if v in known}
    near = [] if key in GREEK else get_close_matches(key, names, n=1, cutoff=0.5)
    return f" Did you mean '{names[near[0]]}'?" if near else ''
