"""The dataset that a network is probed on: by a known name, as a folder, or as two dataset configs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from luminet_det.classification.data import LabelledImages, MissingData
from luminet_det.registry import DATASETS

# Type, splits, folder.
KNOWN = {
    'tiny-imagenet': ('TinyImageNet', 'train', 'val', 'data/tiny-imagenet-200'),
    'stl10': ('STL10', 'train', 'test', 'data/stl10'),
    'cifar10': ('CIFAR10', 'train', 'test', 'data/cifar10'),
    'cifar100': ('CIFAR100', 'train', 'test', 'data/cifar100'),
}


class Target(NamedTuple):
    """Training and test images, of the size that the network was trained with, and a name for files."""

    train: LabelledImages
    test: LabelledImages
    name: str


def target(cfg: Config, data: str | None, data_root: str | None, resize: int, on_error: str | None = None) -> Target:
    """Build both splits.

    Args:
        cfg: Config; `probe = dict(train=dict(type=...), test=dict(type=...))` in it may name them.
        data: A name of `KNOWN`, or an image folder with the splits train and test (or val); None for `cfg.probe`.
        data_root: Where a known dataset is, if not at its usual place.
        resize: Height and width to which all images are resized.
        on_error: 'stop' or 'skip', of both splits; None for what `cfg.probe` says, else 'stop'.

    Raises:
        ValueError: No data is named, or the splits differ in their classes.
        FileNotFoundError: The data is not there.
    """
    train, test, name = _settings(cfg, data, data_root)
    # The cache reads the images' source, which device-resident datasets do not keep.
    chosen = dict(device_resident=False, **({'on_error': on_error} if on_error else {}))
    try:
        built = [DATASETS.build({'resize': resize, **settings, **chosen}) for settings in (train, test)]
    except MissingData as error:
        if data not in KNOWN:
            raise
        raise FileNotFoundError(f'{error.facts}\nIf it is elsewhere: --data-root <its folder>.') from error
    first, second = (dataset.metainfo['classes'] for dataset in built)
    if first != second:
        raise ValueError(
            f'The training images have {len(first)} classes, the test images {len(second)}, or in another order: '
            f'{", ".join(first[:5])} ... and {", ".join(second[:5])} ... Correct the folders, or probe.train and '
            'probe.test.'
        )
    return Target(*built, name)


def training_size(cfg: Config) -> int:
    """The size of the images that a config trains with, from the last transform or the `resize` of its dataset.

    Raises:
        ValueError: The config does not say.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    transforms = dataset.get('transforms') or []
    view = transforms[0] if transforms and not isinstance(transforms[0], Mapping) else transforms
    sizes = [each['size'] for each in view if 'size' in each and re.search('Crop|Resize', each['type'])]
    size = sizes[-1] if sizes else dataset.get('resize')
    if size is None:
        raise ValueError(
            f'{cfg.filename} does not say how large its training images are: train_dataloader.dataset has '
            'neither resize nor a transform that crops. Give --resize.'
        )
    return size if isinstance(size, int) else int(size[0])


def _settings(cfg: Config, data: str | None, data_root: str | None) -> tuple[dict, dict, str]:
    if data is None:
        named = cfg.get('probe') or {}
        if not {'train', 'test'} <= named.keys():
            raise ValueError(
                f'There is nothing to probe on. Give --data {", ".join(KNOWN)} or an image folder, or both of '
                '--cfg-options probe.train.type=luminet_det.ImageFolder probe.test.type=... with their data_root.'
            )
        return dict(named['train']), dict(named['test']), str(named['train']['type']).rpartition('.')[2]
    if data in KNOWN:
        kind, train, test, usual = KNOWN[data]
        base = dict(type=f'luminet_det.{kind}', data_root=data_root or usual)
        return dict(base, split=train), dict(base, split=test), data
    root = Path(data).expanduser()
    if not root.is_dir():
        raise ValueError(
            f'--data {data} is neither a folder nor one of {", ".join(KNOWN)}. An image folder has '
            'train/<class>/*.png and test/<class>/*.png (or val/).'
        )
    if data_root:
        raise ValueError(f'--data-root is for {", ".join(KNOWN)}; --data {data} is a folder already. Leave it out.')
    if any((root / name).is_file() for name in ('wnids.txt', 'val/val_annotations.txt')):
        raise ValueError(
            f"--data {data} has Tiny-ImageNet's layout: write --data tiny-imagenet --data-root {data}. (wnids.txt and "
            'val/val_annotations.txt say what is what there.)'
        )
    base = dict(type='luminet_det.ImageFolder', data_root=str(root))
    split = 'test' if (root / 'test').is_dir() or not (root / 'val').is_dir() else 'val'
    return dict(base, split='train'), dict(base, split=split), root.resolve().name
