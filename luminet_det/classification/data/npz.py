"""Images in one .npz file."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .sources import ArrayImages

KEYS = ('images', 'labels')


def find(data_root: Path, split: str) -> Path | None:
    """The .npz file that is `data_root`, or the one in it that holds `split`.

    Raises:
        ValueError: Several do.
    """
    if data_root.is_file():
        return data_root if data_root.suffix == '.npz' else None
    found = sorted(data_root.glob('*.npz'))
    if len(found) > 1:
        found = [path for path in found if f'{split}_images' in _names(path)]
    if len(found) > 1:
        raise ValueError(
            f"data_root='{data_root}' holds several .npz files with {split}_images: "
            f"{', '.join(path.name for path in found)}. Name one of them: data_root='{found[0]}'."
        )
    return found[0] if found else None


def read(path: Path, split: str, classes: tuple[str, ...]) -> ArrayImages:
    """The images of `split` in the file; `classes` are the class names unless the file has its own.

    Raises:
        ValueError: The file is damaged, lacks an array, or has one of the wrong type.
    """
    wanted = [f'{split}_{key}' for key in KEYS]
    with _opened(path) as arrays:
        held = list(arrays)
        found = {key: _array(arrays, key) for key in (*wanted, 'classes') if key in arrays}
    if lacking := [key for key in wanted if key not in found]:
        raise ValueError(
            f'{path} has no {" and no ".join(lacking)}; it holds {", ".join(held)}. Expected: '
            f'{split}_images uint8 (N, H, W, 3), {split}_labels (N,), optionally classes, the names.'
        )
    images, labels = (found[key] for key in wanted)
    classes = tuple(str(name) for name in found['classes']) if 'classes' in found else classes
    return ArrayImages(images, labels, classes, f'{split} of {path}')


def _names(path: Path) -> list[str]:
    with _opened(path) as arrays:
        return list(arrays)


@contextmanager
def _opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """The arrays of a file; ValueError with its name if it is damaged, also while they are being read."""
    try:
        if not zipfile.is_zipfile(path):
            # numpy would take it for a pickle, and advise to load it as one.
            raise ValueError('it is not an .npz file, or is cut off')
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise ValueError(f'{path} cannot be read: {error}. Delete it and make or fetch it again.') from error


def _array(arrays: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    try:
        return arrays[key]
    except ValueError as error:
        if 'Object arrays' not in str(error):
            raise
        what = 'the names as np.array([...], dtype=str)' if key == 'classes' else 'an array of numbers'
        raise ValueError(f'{key} is an array of Python objects, which would run code when read; save {what}') from error
