"""Settings that were mistyped: an unknown key is an error that names the nearest known one."""

from collections.abc import Iterable
from difflib import get_close_matches

# What papers and other projects call these.
SYNONYMS = {
    'temperature': 'tau',
    'T': 'tau',
    't': 'tau',
    'weight': 'loss_weight',
    'alpha': 'target_weight',
    'beta': 'non_target_weight',
    'checkpoint_path': 'checkpoint',
    'pretrained': 'checkpoint',
}


def check_keys(where: str, found: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError if `found` has a key that is not in `known`; `where` is the config line it stands in."""
    known = sorted(known)
    for key in found:
        if key not in known:
            names = {name: name for name in known} | {k: v for k, v in SYNONYMS.items() if v in known}
            near = [names[name] for name in get_close_matches(key, names, n=1, cutoff=0.5)]
            hint = f" Did you mean '{near[0]}'?" if near else ''
            raise ValueError(f"{where} has no setting '{key}'.{hint} Known: {', '.join(known)}.")
