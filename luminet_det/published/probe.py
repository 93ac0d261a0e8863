"""A linear probe: the JSON file that tools/linear_probe.py writes, checked as it is read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from types import MappingProxyType

from luminet_det.published import config_path
from luminet_det.published.name import Name
from luminet_det.published.result_file import COUNT, OBJECT, TEXT, TEXT_OR_NULL, Form, is_count, is_number, read_object
from luminet_det.published.run import FOLDERS, telling
from luminet_det.published.spread import spread

TOPS = ('top1', 'top5')
# What figure 4a's table covers: all images, training and test, at the size that the networks were trained on.
IMAGES = MappingProxyType({'STL-10': [5_000, 8_000], 'Tiny-ImageNet': [100_000, 10_000]})
PIXELS = 32
# The defaults of tools/linear_probe.py; the papers do not give their settings.
PROTOCOL = MappingProxyType(dict(learning_rates=[0.1, 1.0, 5.0], epochs=100, batch_size=256, held_out=0.1))


def _is_seeds(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(seed, dict) and all(is_number(seed.get(top)) for top in TOPS) for seed in value)
    )


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_count, value))


# Every key that is read, and the form of its value. The first ones tell two probes apart.
KEYS: dict[str, Form] = {
    'config': TEXT,
    'checkpoint': TEXT,
    'options': OBJECT,
    'data': TEXT,
    'data_name': TEXT,
    'images': ('two numbers, of training and test images', _is_counts),
    'resize': COUNT,
    'protocol': OBJECT,
    'network': TEXT,
    **{part: TEXT_OR_NULL for part in Name._fields},
    'seeds': ('a list of objects with the numbers top1 and top5', _is_seeds),
}
IDENTITY = tuple(KEYS)[:8]


@dataclass(frozen=True)
class Probe:
    """One file of tools/linear_probe.py.

    Args:
        path: The file.
        content: What is in it.
    """

    path: Path
    content: dict

    def __getitem__(self, key: str) -> object:
        return self.content[key]

    @property
    def name(self) -> Name | None:
        """Its config's name, taken apart; None if that names no network known here."""
        return Name(*(self[part] for part in Name._fields)) if self['method'] else None

    @property
    def changed(self) -> tuple[str, ...]:
        """The options of the config and the settings of the probe that are not the usual ones, as 'key=value'."""
        options = {
            key: value for key, value in telling(self['options']).items() if not str(value).startswith(('/', '~'))
        }
        settings = {key: value for key, value in self['protocol'].items() if value != PROTOCOL.get(key)}
        return tuple(f'{key}={value}' for key, value in (options | settings).items())

    @property
    def full(self) -> bool:
        """Whether it followed the protocol of figure 4a's table, as far as a probe can tell."""
        usual = dict(self['protocol']) == PROTOCOL and not telling(self['options'])
        where = config_path.folder(self['config']) == FOLDERS['CIFAR-100']
        network = self.name is not None and self['network'] == self.name.student
        return usual and where and network and self['resize'] == PIXELS and self['images'] == IMAGES.get(self['data'])


def accuracy(probes: Sequence[Probe], top: str = 'top1') -> str:
    """Mean ± sd: for one network over the seeds of the linear layer, for several over their means; else 'not run'."""
    found = [[seed[top] for seed in probe['seeds']] for probe in probes]
    return spread(found[0] if len(found) == 1 else [mean(values) for values in found])


def load_probes(folder: Path) -> list[Probe]:
    """Read every probe in a folder, by file name; none where there is no folder.

    Raises:
        ValueError: A file is not a probe, or two are of the same network, data and settings.
    """
    seen: dict[str, Probe] = {}
    for path in sorted(folder.glob('*.json')):
        probe = _read(path)
        kind = json.dumps([probe[key] for key in IDENTITY], sort_keys=True)
        if kind in seen:
            raise ValueError(
                f'{seen[kind].path} and {path} are probes of the same checkpoint on the same data with the same '
                'settings; remove one of them'
            )
        seen[kind] = probe
    return list(seen.values())


def _read(path: Path) -> Probe:
    content = read_object(path, 'result of a linear probe', KEYS)
    return Probe(path, content)
