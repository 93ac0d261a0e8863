"""A measured run: the result file that `luminet_det.ResultHook` writes, checked as it is read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from luminet_det.published import config_path
from luminet_det.published.cifar100 import ENSEMBLE_TEACHER, MLLD_EPOCHS
from luminet_det.published.name import PLAIN, Name, read_name
from luminet_det.published.result_file import (
    COUNT,
    NUMBER,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    Form,
    is_count,
    is_number,
    read_object,
)

TOP1, TOP5 = 'accuracy/top1', 'accuracy/top5'


def _is_epoch(value: object) -> bool:
    return isinstance(value, dict) and is_count(value.get('epoch')) and is_number(value.get(TOP1))


def _are_epochs(value: object) -> bool:
    return isinstance(value, dict) and {'best', 'last'} <= value.keys() and all(map(_is_epoch, value.values()))


def _are_scores(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(isinstance(scores, dict) and all(map(is_number, scores.values())) for scores in value.values())
    )


# Every key that is read, and the form of its value. The first ones tell two runs apart.
KEYS: dict[str, Form] = {
    'config': TEXT,
    'name': TEXT,
    'dataset': TEXT_OR_NULL,
    'train_images': COUNT,
    'epochs': COUNT,
    'batch_size': COUNT,
    'seed': COUNT,
    'metrics': (f'an object of best and last, with the numbers epoch and {TOP1}', _are_epochs),
    'selected_on': TEXT,
    'test': ('null, or objects of numbers', _are_scores),
    'options': OBJECT,
    'commit': TEXT,
    'versions': OBJECT,
    'hardware': TEXT,
    'seconds': NUMBER,
}
IDENTITY = ('name', 'dataset', 'train_images', 'epochs', 'batch_size', 'seed')
# Where the configs of the published rows are.
FOLDERS = {'CIFAR-100': 'cifar100', 'ImageNet': 'imagenet'}
STRONG_AUGMENTATION, ABLATIONS = 'strong_augmentation', 'ablations'  # below those
BATCH_SIZE = 'train_dataloader.batch_size'
# The training set, epochs and batch size of the published numbers.
PROTOCOLS = {
    'CIFAR-100': MappingProxyType(dict(train_images=50_000, epochs=240, batch_size=64)),
    'ImageNet': MappingProxyType(dict(train_images=1_281_167, epochs=100)),
}
# Options that do not change the outcome: by the last part of their key, by the first, and by any part.
HARMLESS_ENDS = {
    'data_root', 'num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'device_resident', 'work_dir',
    'checkpoint', 'val_interval', 'channels_last',
}  # fmt: skip
HARMLESS_STARTS = {'default_hooks', 'env_cfg', 'log_level', 'log_processor', 'visualizer', 'vis_backends', 'launcher'}
HARMLESS_PARTS = {'compile'}  # True, or a dict of the compiler's options


@dataclass(frozen=True)
class Run:
    """One result file.

    Args:
        path: The file.
        content: What is in it.
        name: Its config's name, taken apart; None if that names no network known here.
    """

    path: Path
    content: dict
    name: Name | None

    def __getitem__(self, key: str) -> object:
        return self.content[key]

    def accuracy(self, kind: str, metric: str = TOP1) -> float | None:
        """Accuracy in percent in the 'best' or 'last' epoch, on the images that the run was selected on.

        'test best' and 'test last' are the same weights on the test set, where they were selected on held-out images.
        """
        on, _, epoch = kind.rpartition(' ')
        return ((self['test'] or {}) if on else self['metrics']).get(epoch, {}).get(metric)

    @property
    def folder(self) -> str:
        """The folder of its config, below `configs`."""
        return config_path.folder(self['config'])

    @property
    def options(self) -> dict[str, object]:
        """The options that may change the outcome; the batch size only if it differs from that of the whole run."""
        found = telling(self['options'])
        return {key: value for key, value in found.items() if (key, value) != (BATCH_SIZE, self['batch_size'])}

    @property
    def complete(self) -> bool:
        """Whether the last epoch was reached and measured."""
        last = self['metrics']['last']
        return last['epoch'] == self['epochs'] or last.get('iteration', -1) == self.content.get('iterations')

    @property
    def full(self) -> bool:
        """Whether it followed the protocol of the published numbers to its end, with its config unchanged."""
        return self.follows()

    def follows(self, options: Mapping[str, object] = MappingProxyType({}), **changes: object) -> bool:
        """As `full`, but with some changes, which the run must have.

        Args:
            options: The run's options that may change the outcome, all of them.
            changes: Parts of the protocol, such as `batch_size=128`.
        """
        protocol = PROTOCOLS.get(self['dataset'])
        if protocol is None or not self.complete or self.options != options or self.folder not in self._folders:
            return False
        if self.name and self.name.method in ('mlld', 'mlld_ls'):
            epochs = MLLD_EPOCHS.get(self.name[1:3], protocol['epochs'])
            protocol = {**protocol, 'epochs': epochs}
        if self.name and self.name.student.startswith('deit'):  # nothing but the images is published
            return self['train_images'] == protocol['train_images'] and self['epochs'] >= protocol['epochs']
        return all(self[key] == value for key, value in {**protocol, **changes}.items())

    @property
    def _folders(self) -> tuple[str, ...]:
        """Where the config of a published row with this name may be."""
        below = [STRONG_AUGMENTATION, self.name.method if self.name else PLAIN]
        if self.name and self.name.variant == ENSEMBLE_TEACHER:
            below.append(ABLATIONS)
        folder = FOLDERS[self['dataset']]
        return folder, *(f'{folder}/{part}' for part in below)


def telling(options: dict[str, object]) -> dict[str, object]:
    """The options of a config that may change the outcome, by name."""
    return {
        key: value
        for key, value in sorted(options.items())
        if key.rpartition('.')[-1] not in HARMLESS_ENDS
        and key.partition('.')[0] not in HARMLESS_STARTS
        and not HARMLESS_PARTS.intersection(key.split('.'))
    }


def load_runs(folders: Iterable[Path]) -> list[Run]:
    """Read every result in these folders, by file name.

    Raises:
        ValueError: A file is not a result, or two are of the same config, protocol, options and seed.
    """
    runs = [_read(path) for folder in folders for path in sorted(folder.glob('*.json'))]
    seen: dict[str, Path] = {}
    for run in runs:
        kind = json.dumps([run.folder, *(run[key] for key in IDENTITY), run.options], sort_keys=True)
        if kind in seen:
            raise ValueError(
                f'{seen[kind]} and {run.path} are results of the same config, images, epochs, options and seed '
                f'{run["seed"]}; remove one of them'
            )
        seen[kind] = run.path
    return runs


def _read(path: Path) -> Run:
    content = read_object(path, 'result of a run', KEYS)
    return Run(path, content, read_name(content['name']))
