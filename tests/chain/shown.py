"""The chains that pages show, and their plans."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.classification_configs import ROOT
from tools import train_chain


def commands(*pages: Path) -> list[list[str]]:
    """The words after `train_chain.py` of each command, with lines that end in a backslash joined."""
    lines = [line for page in pages for line in page.read_text().replace('\\\n', ' ').splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith('python tools/train_chain.py ')]


def plan(words: Sequence[str], folder: Path, monkeypatch, there: Iterable[str] = ()) -> int:
    """Plan a chain in a fresh checkout, in which the weights of some teachers are there; returns the exit code."""
    monkeypatch.chdir(folder)
    (folder / 'configs').symlink_to(ROOT / 'configs')
    for weights in there:
        (folder / weights).parent.mkdir(parents=True)
        (folder / weights).touch()
    return train_chain.main([*words, '--dry-run'])
