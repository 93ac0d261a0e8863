"""Scenes of real handwritten digits: a small detection set in COCO format, made on the spot.

The digits are scikit-learn's 1,797 scans (8x8 pixels). They are split between train and val before any scene
is drawn, so that no scan is in both.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from luminet_det.extra import require

CLASSES = tuple('0123456789')
SIDE = 128  # pixels of a scene
DIGITS_PER_SCENE = (2, 6)
DIGIT_SIZE = (18, 56)  # pixels of a box's longer side
MAX_ROTATION = 20  # degrees; a 6 stays a 6
MAX_OVERLAP = 0.1  # shared area of two boxes over the smaller one
VAL_SHARE = 0.2  # of the scans of each class
VERSION = 1  # raised whenever the same seed would draw other pixels

SOURCE = dict(
    description='Scenes of handwritten digits for the luminet_det quickstart; the backgrounds are synthetic',
    source='Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak), UCI Machine Learning '
    'Repository, doi:10.24432/C50P49, through sklearn.datasets.load_digits',
    license='CC BY 4.0 (the scans)',
)
STAMP = 'stamp.json'


def prepare_digits(root: str | Path, train: int = 800, val: int = 200, seed: int = 0) -> bool:
    """Write ``root/{train,val}/*.jpg`` and ``root/annotations/{train,val}.json`` unless they are there.

    The stamp is removed first and written last: an interrupted run leaves none and is done again.

    Args:
        root: Folder of the set.
        train: Scenes to train on.
        val: Scenes to evaluate on.
        seed: Decides the split of the scans and every scene.

    Returns:
        Whether the scenes were drawn (False: there were scenes of the same settings already).
    """
    root = Path(root)
    counts = dict(train=train, val=val)
    stamp = dict(version=VERSION, seed=seed, side=SIDE, **counts)
    if _is_complete(root, stamp, counts):
        return False
    (root / STAMP).unlink(missing_ok=True)
    scans, labels = load_scans()
    for split, pool in split_scans(labels, seed).items():
        scenes = draw_scenes(counts[split], scans[pool], [seed, 1 if split == 'train' else 2])
        write_scenes(root, split, scenes, labels[pool])
    (root / STAMP).write_text(json.dumps(stamp))
    return True


def load_scans() -> tuple[np.ndarray, np.ndarray]:
    """Return the scans as ink in 0..1, (1797, 8, 8) float32, and their labels, (1797,)."""
    require('the digits are drawn', 'sklearn.datasets')
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images / 16).astype(np.float32), digits.target


def split_scans(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Split scan indices class by class, so that both sides hold every digit and share no scan."""
    rng = np.random.default_rng([seed, 0])
    train, val = [], []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cut = round(len(members) * VAL_SHARE)
        val.append(members[:cut])
        train.append(members[cut:])
    return dict(train=np.concatenate(train), val=np.concatenate(val))


def draw_scene(scans: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[list[int]], np.ndarray]:
    """Draw one scene.

    Args:
        scans: Ink to choose from, (N, 8, 8) in 0..1.
        rng: Source of every choice.

    Returns:
        The picture, (SIDE, SIDE, 3) uint8; the boxes, ``[x, y, w, h]`` each, tight around the ink; and which
        scans were drawn.
    """
    count = rng.integers(DIGITS_PER_SCENE[0], DIGITS_PER_SCENE[1] + 1)
    chosen = rng.choice(len(scans), count, replace=False)
    scene = _background(rng)
    boxes: list[list[int]] = []
    for scan in scans[chosen]:
        ink, box = _place(scan, boxes, rng)
        boxes.append(box)
        _paint(scene, ink, box, rng)
    scene += rng.normal(0, rng.uniform(3, 14), scene.shape)  # the camera's noise lies over the digits too
    return scene.clip(0, 255).astype(np.uint8), boxes, chosen


def draw_digit(scan: np.ndarray, size: int, angle: float) -> np.ndarray:
    """Enlarge and rotate one scan; return its ink, (h, w) in 0..1 with ``max(h, w) == size``, cut tight."""
    # Far larger than any digit in a scene, so that the final resize only ever averages.
    large = cv2.resize(np.pad(scan, 2), (144, 144), interpolation=cv2.INTER_CUBIC)
    large = cv2.warpAffine(large, cv2.getRotationMatrix2D((71.5, 71.5), angle, 1.0), (144, 144)).clip(0, 1)
    rows, columns = np.where(large > 0.35)
    tight = large[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = size / max(tight.shape)
    height, width = (max(1, round(side * scale)) for side in tight.shape)
    return cv2.resize(tight, (width, height), interpolation=cv2.INTER_AREA)


def draw_scenes(count: int, scans: np.ndarray, seed: Sequence[int]) -> Iterator[tuple]:
    """Yield what `draw_scene` returns for each of `count` scenes.

    Each has its own generator, seeded with `seed` and its index: scene 7 is the same in a set of 10 and in one
    of 1,000.
    """
    for index in range(count):
        yield draw_scene(scans, np.random.default_rng([*seed, index]))


def write_scenes(root: Path, split: str, scenes: Iterator[tuple], labels: np.ndarray) -> None:
    """Write ``root/<split>/*.jpg``, in place of what was there, and ``root/annotations/<split>.json``.

    Args:
        root: Folder of the set.
        split: Name of the split.
        scenes: What `draw_scenes` yields.
        labels: Labels of the scans that they were drawn from.
    """
    folder = root / split
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob('[0-9]' * 5 + '.jpg'):
        leftover.unlink()
    images, annotations = [], []
    for index, (scene, boxes, chosen) in enumerate(scenes, start=1):
        name = f'{index:05d}.jpg'
        cv2.imwrite(str(folder / name), scene, [cv2.IMWRITE_JPEG_QUALITY, 95])
        images.append(dict(id=index, file_name=name, width=SIDE, height=SIDE))
        annotations += [
            dict(image_id=index, category_id=int(labels[scan]), bbox=box, area=box[2] * box[3], iscrowd=0)
            for box, scan in zip(boxes, chosen, strict=True)
        ]
    for index, annotation in enumerate(annotations, start=1):
        annotation['id'] = index
    categories = [dict(id=index, name=name) for index, name in enumerate(CLASSES)]
    content = dict(info=SOURCE, images=images, annotations=annotations, categories=categories)
    (root / 'annotations').mkdir(exist_ok=True)
    (root / 'annotations' / f'{split}.json').write_text(json.dumps(content))


def _background(rng: np.random.Generator) -> np.ndarray:
    """A colour with blotches of three sizes, and strokes that look a little like digits."""
    scene = np.full((SIDE, SIDE, 3), rng.uniform(40, 215, 3), np.float32)
    for cells in (3, 8, 24):
        blotches = rng.normal(0, rng.uniform(4, 18), (cells, cells, 3)).astype(np.float32)
        scene += cv2.resize(blotches, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.integers(2, 7)):
        colour = (scene.mean((0, 1)) + rng.normal(0, 35, 3)).tolist()
        start, end = rng.integers(0, SIDE, (2, 2)).tolist()
        thickness = int(rng.integers(1, 5))
        if rng.random() < 0.5:
            cv2.line(scene, start, end, colour, thickness, cv2.LINE_AA)
        else:
            axes = rng.integers(5, 30, 2).tolist()
            arc = rng.uniform(0, 360, 2)
            cv2.ellipse(scene, start, axes, 0, float(arc[0]), float(arc.sum()), colour, thickness, cv2.LINE_AA)
    return scene


def _place(scan: np.ndarray, taken: list[list[int]], rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Rotate and size a digit and find it a free spot; ask for less room each time none is found."""
    low, high = DIGIT_SIZE
    size = np.exp(rng.uniform(np.log(low), np.log(high + 1)))
    angle = rng.uniform(-MAX_ROTATION, MAX_ROTATION)
    while True:  # ends: six of the smallest digits always fit somewhere
        ink = draw_digit(scan, int(np.clip(size, low, high)), angle)
        height, width = ink.shape
        for _ in range(20):
            x, y = rng.integers(0, (SIDE - width + 1, SIDE - height + 1))
            box = [int(x), int(y), width, height]
            if all(_overlap(box, other) <= MAX_OVERLAP for other in taken):
                return ink, box
        size *= 0.9


def _overlap(one: list[int], other: list[int]) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0) / min(one[2] * one[3], other[2] * other[3])


def _paint(scene: np.ndarray, ink: np.ndarray, box: list[int], rng: np.random.Generator) -> None:
    """Blend the digit into the scene in a colour that stands out from its surroundings, faintly or strongly."""
    x, y, width, height = box
    patch = scene[y : y + height, x : x + width]
    behind = patch.mean((0, 1))
    tint = rng.normal(0, 25, 3)
    # Towards the side with more room, so that clipping does not eat the contrast.
    sign = 1 if behind.mean() + rng.normal(0, 40) < 128 else -1
    colour = behind + sign * rng.uniform(45, 120) + (tint - tint.mean())
    patch += ink[..., None] * (colour.clip(0, 255) - patch)


def _is_complete(root: Path, stamp: dict, counts: dict[str, int]) -> bool:
    try:
        if json.loads((root / STAMP).read_text()) != stamp:
            return False
    except (FileNotFoundError, ValueError):
        return False
    return all(
        (root / 'annotations' / f'{split}.json').is_file() and len(list((root / split).glob('*.jpg'))) == count
        for split, count in counts.items()
    )
