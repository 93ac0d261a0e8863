"""Small datasets as files, in each of the published layouts."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
from PIL import Image


def images(count: int, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (count, side, side, 3), dtype=np.uint8)


def npz(path: Path, classes: int = 4, each: int = 6, **changes) -> dict:
    """Write an .npz file; returns its arrays."""
    labels = np.arange(classes * each) % classes
    arrays = {'train_images': images(len(labels)), 'train_labels': labels}
    arrays |= {'test_images': images(2 * classes, seed=1), 'test_labels': np.arange(2 * classes) % classes}
    arrays |= {'classes': np.array([f'class{i}' for i in range(classes)])} | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def tree(root: Path, classes=('ant', 'bee', 'cat'), each: int = 4, side: int = 32, suffix: str = 'png') -> Path:
    """Write images as <class>/<i>.<suffix> to `root`; returns `root`."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images(each, side, seed=place)):
            Image.fromarray(image).save(root / name / f'{i}.{suffix}')
    return root


def pickles(root: Path, kind: type, monkeypatch, classes: int = 4, each: int = 6) -> dict:
    """Write CIFAR pickles, in as many files as the official set, and have torchvision expect their checksums."""
    arrays = npz(root / 'unused.npz', classes, each)
    (root / 'unused.npz').unlink()
    folder = root / kind.base_folder
    folder.mkdir()
    labels_key = 'fine_labels' if 'fine' in kind.meta['key'] else 'labels'

    def write(name: str, content: dict) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    for split in ('train', 'test'):
        names = [name for name, _ in getattr(kind, f'{split}_list')]
        flat = np.array_split(arrays[f'{split}_images'].transpose(0, 3, 1, 2).reshape(-1, 3072), len(names))
        labels = np.array_split(arrays[f'{split}_labels'], len(names))
        files = [
            [name, write(name, {'data': part, labels_key: own.tolist()})]
            for name, part, own in zip(names, flat, labels, strict=True)
        ]
        monkeypatch.setattr(kind, f'{split}_list', files)
    md5 = write(kind.meta['filename'], {kind.meta['key']: arrays['classes'].tolist()})
    monkeypatch.setattr(kind, 'meta', {**kind.meta, 'md5': md5})
    return arrays


def truncate(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
