"""The classifiers' configs, found and parsed once for their tests."""

import ast
import functools
from copy import deepcopy
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[1]
COUNTS = {
    'cifar100': 59,
    'cifar100/strong_augmentation': 10,
    'cifar100/ablations': 1,
    'cifar100_short': 5,
    'imagenet': 14,
    'tiny_imagenet': 7,
    'image_folder': 3,
}
# By the folder of each method, inside that of its dataset.
METHOD_COUNTS = {
    'cifar100/fitnet': 13,
    'cifar100/at': 13,
    'cifar100/sp': 13,
    'cifar100/rkd': 13,
    'cifar100/crd': 13,
    'cifar100/ofd': 11,
    'cifar100/reviewkd': 11,
    'cifar100/fcfd': 10,
    'cifar100/dml': 11,
    'cifar100/mlld': 16,
    'cifar100/dist': 6,
    'cifar100/kd_ls': 14,
    'cifar100/dkd_ls': 14,
    'cifar100/mlld_ls': 14,
    'cifar100/mcld': 1,
    **{
        f'imagenet/{method}': 2
        for method in ('at', 'crd', 'ofd', 'reviewkd', 'fcfd', 'mgd', 'dml', 'mlld', 'dist', 'kd_ls')
    },
}
CONFIGS = [path for folder in COUNTS for path in sorted((ROOT / 'configs' / folder).glob('*.py'))]


@functools.cache
def _parsed(path: Path) -> Config:
    return Config.fromfile(path, format_python_code=False)


def parsed(path: Path) -> Config:
    return deepcopy(_parsed(path))


def shown(path: Path) -> str:
    return path.relative_to(ROOT / 'configs').as_posix()


def of_folder(path: Path) -> str:
    return path.relative_to(ROOT / 'configs').parts[0]


def text_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text()))


def teachers(config: Config) -> list[dict]:
    """The settings of a config's teachers; empty for a plain config."""
    found = config.model.get('teacher', [])
    return found if isinstance(found, list) else [found]


def work_dir(path: Path) -> str:
    return parsed(path).get('work_dir', f'work_dirs/{path.stem}')


METHODS = [path for folder in METHOD_COUNTS for path in sorted((ROOT / 'configs' / folder).glob('*.py'))]
DISTILLING = [path for path in CONFIGS if '-' in path.stem]
PLAIN = [path for path in CONFIGS if path not in DISTILLING]
# The configs whose data and schedule are published: those directly in these folders, except DeiT.
PUBLISHED = [
    path
    for path in CONFIGS
    if path.parent.name in ('cifar100', 'imagenet', 'tiny_imagenet') and 'deit' not in path.stem
]
every = functools.partial(pytest.mark.parametrize, 'path', ids=shown)
