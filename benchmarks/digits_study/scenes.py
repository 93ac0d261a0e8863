"""The study's scenes: two sets to score on without a scan in common, one to choose settings by and one to report."""

import json
from pathlib import Path

import numpy as np

from luminet_det.quickstart.digits import CLASSES, draw_scenes, load_scans, split_scans, write_scenes

SPLITS = ('tune', 'report')
SCENES, TRAIN = 300, 800
FEW = ('7', '8', '9')  # the classes that are rare in the uneven training set
SHARE = 0.1  # share of their scans in it


def prepare(root: Path, seed: int = 0) -> None:
    """Write `root/{tune,report,uneven}` and their annotations, and `both.json` of the first two; once.

    The scans that the quickstart keeps for validation are halved between the two, class by class. `uneven` is a
    training set with a tenth of the scans of three classes.
    """
    annotations = root / 'annotations'
    if (annotations / 'both.json').is_file():
        return
    scans, labels = load_scans()
    pools = split_scans(labels, seed)
    halves = {name: pools['val'][place::2] for place, name in enumerate(SPLITS)}
    rng = np.random.default_rng([seed, 3])
    few = np.isin(labels[pools['train']], [CLASSES.index(name) for name in FEW])
    kept = pools['train'][~few | (rng.random(len(few)) < SHARE)]
    for stream, (name, pool, count) in enumerate(
        [*((name, halves[name], SCENES) for name in SPLITS), ('uneven', kept, TRAIN)], start=4
    ):
        write_scenes(root, name, draw_scenes(count, scans[pool], [seed, stream]), labels[pool])
    both = [json.loads((annotations / f'{name}.json').read_text()) for name in SPLITS]
    (annotations / 'both.json').write_text(json.dumps(joined(both)))


def joined(sets: list[dict]) -> dict:
    """One annotation file of both splits: the first has the image ids from 1 on, the second those after."""
    images, boxes = [], []
    for name, content in zip(SPLITS, sets, strict=True):
        offset = len(images)
        images += [i | dict(id=i['id'] + offset, file_name=f'{name}/{i["file_name"]}') for i in content['images']]
        boxes += [
            a | dict(id=len(boxes) + place, image_id=a['image_id'] + offset)
            for place, a in enumerate(content['annotations'], start=1)
        ]
    return sets[0] | dict(images=images, annotations=boxes)


def images_of(split: str) -> list[int]:
    """The ids of a split's images in `both.json`."""
    start = 1 + SPLITS.index(split) * SCENES
    return list(range(start, start + SCENES))
