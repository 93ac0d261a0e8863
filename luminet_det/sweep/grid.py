"""The grid: which values each option takes, which options follow from others, and the points these make."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from luminet_det.fingerprint import fingerprint
from luminet_det.options import parse_value
from luminet_det.sweep.arithmetic import Formula
from luminet_det.sweep.keys import check_keys, lookup
from luminet_det.sweep.point import Point

LONGEST_NAME = 40


@dataclass
class Grid:
    """All combinations of the values of some options, and what follows from them.

    Args:
        values: For each config key its values, as text for `--cfg-options`.
        links: For each computed config key its formula.
    """

    values: dict[str, list[str]]
    links: dict[str, Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if both := sorted(set(self.values) & set(self.links)):
            raise ValueError(f'{both[0]} is in the grid and has a formula as well; keep one of them')
        keys = [*self.values, *self.links]
        for one, other in itertools.permutations(keys, 2):
            if other.startswith(f'{one}.'):
                raise ValueError(f'{one} would replace {other}, which is set as well; keep one of them')
        for key, later in itertools.combinations(self.links, 2):
            if later in self.links[key].keys:
                raise ValueError(f'the formula of {key} reads {later}, whose formula comes later; put that one first')
        self.names = _short_names(keys)

    def points(self, cfg: Config, seeds: Sequence[int], work_dir: Path, flags: Sequence[str] = ()) -> list[Point]:
        """Every combination with every seed, the seeds of a combination in sequence.

        Args:
            cfg: The config that is swept.
            seeds: Seeds of each combination.
            work_dir: Folder of the points' folders.
            flags: Further arguments of each training.

        Raises:
            KeyError: The config has no such option; the message names the nearest.
            ValueError: A formula has no result.
        """
        check_keys(cfg, [*self.values, *self.links])
        found = []
        for options in self._combinations(cfg):
            merged = deepcopy(cfg)
            merged.merge_from_dict({key: parse_value(text) for key, text in options.items()})
            for seed in seeds:
                name = ','.join(f'{self.names[key]}={_label(options[key])}' for key in self.values)
                folder = work_dir / ','.join(filter(None, (name, f'seed={seed}')))
                found.append(Point(options, seed, folder, _length(merged), fingerprint(merged, seed, list(flags))))
        return found

    def _combinations(self, cfg: Config) -> Iterator[dict[str, str]]:
        for texts in itertools.product(*self.values.values()):
            options = dict(zip(self.values, texts, strict=True))
            for key, formula in self.links.items():
                known = {
                    read: parse_value(options[read]) if read in options else _number_at(cfg, read)
                    for read in formula.keys
                }
                options[key] = repr(formula(known))
            yield options


def parse_grid(words: Sequence[str]) -> dict[str, list[str]]:
    """Read `key=value,value`; a list is one value in brackets, `key=[1,2],[3,4]`.

    Raises:
        ValueError: A word does not have this form, or names an option or one of its values twice.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        key, text = _split_word(word, '--grid key=value,value')
        if key in found:
            raise ValueError(f'{key} is in the grid twice; write {key}=' + ','.join([*found[key], text]))
        found[key] = _split_values(word, text)
        for one, other in itertools.combinations(found[key], 2):
            if _label(one) == _label(other):
                raise ValueError(f'{key} takes the same value twice, as {one} and as {other}')
    return found


def parse_links(words: Sequence[str]) -> dict[str, Formula]:
    """Read `key=formula`, in order: a formula may read the keys of those before it.

    Raises:
        ValueError: A word does not have this form, or names an option twice.
    """
    found: dict[str, Formula] = {}
    for word in words:
        key, text = _split_word(word, "--with 'key=formula'")
        if key in found:
            raise ValueError(f'{key} has two formulas: {found[key].text} and {text}')
        found[key] = Formula(text)
    return found


def _split_word(word: str, form: str) -> tuple[str, str]:
    key, sign, text = (part.strip() for part in word.partition('='))
    if not (key and sign and text):
        raise ValueError(f'cannot read {word!r}; the form is {form}')
    return key, text


def _split_values(word: str, text: str) -> list[str]:
    found, depth = [''], 0
    for letter in text:
        depth += (letter in '([') - (letter in ')]')
        if letter == ',' and depth == 0:
            found.append('')
        else:
            found[-1] += letter
    if depth or not all(value.strip() for value in found):
        raise ValueError(f'cannot read {word!r}: a bracket is open, or a value between commas is missing')
    return [value.strip() for value in found]


def _number_at(cfg: Config, key: str) -> object:
    check_keys(cfg, [key])
    return lookup(cfg, key)


def _short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last parts of each key, as many as are needed to tell the keys apart."""
    parts = {key: key.split('.') for key in keys}
    names = {}
    for key in keys:
        for length in range(1, len(parts[key]) + 1):
            names[key] = '.'.join(parts[key][-length:])
            if sum(other[-length:] == parts[key][-length:] for other in parts.values()) == 1:
                break
    return names


def _label(text: str) -> str:
    """A name for the value that is valid in a folder name, and the same however the value is written."""
    value = parse_value(text)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    plain = str(value).replace(' ', '')
    name = re.sub(r'[^\w.+-]', '_', plain)
    if name == plain and len(name) <= LONGEST_NAME:
        return name
    return f'{name[:LONGEST_NAME]}-{hashlib.sha256(plain.encode()).hexdigest()[:6]}'


def _length(cfg: Config) -> int | None:
    """The step that the last validation is logged with; None where the config does not tell."""
    loop = cfg.get('train_cfg') or {}
    by_epoch = ((cfg.get('default_hooks') or {}).get('logger') or {}).get('log_metric_by_epoch', True)
    # An iteration-based loop stays in epoch 0, and an epoch-based one has no number of iterations.
    return loop.get('max_epochs') if by_epoch else loop.get('max_iters')
