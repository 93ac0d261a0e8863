"""The commands of chains that pages show, and dry runs of them."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.classification_configs import ROOT
from tools import train_chain


def commands(*pages: Path) -> list[list[str]]:
    """The arguments of each `train_chain.py` command on the pages; lines that end in a backslash are joined."""
    lines = [line for page in pages for line in page.read_text().replace('\\\n', ' ').splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith('python tools/train_chain.py ')]


def plan(words: Sequence[str], folder: Path, monkeypatch, there: Iterable[str] = ()) -> int:
    """Dry-run a chain as in a fresh checkout that has the weights `there` of some teachers; returns the exit code."""
    monkeypatch.chdir(folder)
    (folder / 'configs').symlink_to(ROOT / 'configs')
    for weights in there:
        (folder / weights).parent.mkdir(parents=True)
        (folder / weights).touch()
    return train_chain.main([*words, '--dry-run'])
