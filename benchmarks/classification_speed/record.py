"""Record: the result file, written after each part, so that an interrupted measurement can continue."""

import json
from collections.abc import Iterator
from pathlib import Path

from mmengine.utils import get_git_hash

from luminet_det.whole_file import write_text

EPOCHS, IMAGES = 240, 50_000  # of a run as the papers have it


class Record:
    """What has been measured, and under which conditions: the same for every part.

    Args:
        path: The result file. An existing one is continued.
        conditions: Pair, setting, hardware and versions.

    Raises:
        SystemExit: The existing file was measured under other conditions, or is not from this benchmark.
    """

    def __init__(self, path: Path, conditions: dict) -> None:
        self.path, self.content = path, {**conditions, 'epochs': {}}
        if not path.is_file():
            return
        found = json.loads(path.read_text())
        here, there = dict(_flat(conditions)), dict(_flat({key: found.get(key) for key in conditions}))
        # A measurement without single steps does not contradict one with them.
        if other := [
            f'{name} {there.get(name)} there, {value} here'
            for name, value in here.items()
            if there.get(name) != value and not (name == 'step_repeats' and 0 in (value, there.get(name)))
        ]:
            raise SystemExit(
                f'{path} was measured under other conditions: {"; ".join(other)}. Name another --out, or repeat the '
                'conditions of the file to go on with it.'
            )
        self.content = found
        found['setting']['step_repeats'] = max(here['step_repeats'], there['step_repeats'])

    def __contains__(self, part: str) -> bool:
        return part in self.content or part in self.content['epochs']

    def add(self, part: str, measured: dict) -> None:
        """Keep 'step' or 'runner'."""
        self.content[part] = measured | dict(commit=get_git_hash())
        self.write()

    def add_way(self, way: str, measured: dict) -> None:
        """Keep a way of training an epoch."""
        self.content['epochs'][way] = measured | dict(commit=get_git_hash())
        self.write()

    def write(self) -> None:
        """Write all of it at once: a process that is killed meanwhile leaves the file as it was."""
        for way in self.content['epochs'].values():
            way[f'minutes_of_{EPOCHS}_epochs'] = minutes(way['images_per_second'])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.content, indent=2) + '\n')


def minutes(images_per_second: float) -> float:
    """Minutes that a run on CIFAR-100 takes, without its start and validations.

    >>> minutes(20_000)
    10.0
    """
    return round(EPOCHS * IMAGES / images_per_second / 60, 1)


def _flat(conditions: dict) -> Iterator[tuple[str, object]]:
    for key, value in conditions.items():
        if isinstance(value, dict):
            yield from value.items()
        else:
            yield key, value
