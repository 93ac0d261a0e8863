"""The log that mmengine keeps of a run: an entry for each logged step and for each validation."""

import json
from collections.abc import Iterator
from pathlib import Path


def files(work_dir: Path) -> list[Path]:
    """The log of each start of the run, in order: its folder is named by the time."""
    return sorted(work_dir.glob('*/vis_data/scalars.json'))


def entries(work_dir: Path) -> Iterator[dict]:
    """The entries of all starts of the run, in order."""
    for file in files(work_dir):
        yield from entries_of(file)


def entries_of(file: Path) -> Iterator[dict]:
    """The entries of one start, without a line that was cut off when the run was killed."""
    for line in file.read_text(encoding='utf-8').splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
