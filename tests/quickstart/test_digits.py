import json
import sys
from collections import Counter

import numpy as np
import pytest
from pycocotools.coco import COCO

from luminet_det.quickstart import digits

pytest.importorskip('sklearn')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('digits')
    assert digits.prepare_digits(folder, train=60, val=40)
    return folder


def content(root, split):
    return json.loads((root / 'annotations' / f'{split}.json').read_text())


def all_bytes(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('*') if path.is_file()}


def test_no_scan_is_in_both_splits_and_none_is_lost():
    _, labels = digits.load_scans()
    for seed in (0, 1):
        split = digits.split_scans(labels, seed)
        assert not set(split['train']) & set(split['val'])
        assert len(split['train']) + len(split['val']) == len(labels) == 1797
        assert set(labels[split['val']]) == set(range(10))


def test_scenes_are_drawn_from_the_scans_of_their_own_split(tmp_path, monkeypatch):
    scans, labels = digits.load_scans()
    used = []
    draw_scene = digits.draw_scene
    monkeypatch.setattr(
        digits, 'draw_scene', lambda pool, rng: used.append({scan.tobytes() for scan in pool}) or draw_scene(pool, rng)
    )
    digits.prepare_digits(tmp_path, train=1, val=1)
    train, val = used
    assert not train & val
    assert train | val == {scan.tobytes() for scan in scans}
    assert len(labels) == len(train) + len(val), 'two scans are the same'


def test_scenes_of_the_two_splits_are_drawn_from_other_random_numbers(tmp_path, monkeypatch):
    seeds = []
    monkeypatch.setattr(digits, 'draw_scenes', lambda count, scans, seed: seeds.append(tuple(seed)) or iter(()))
    digits.prepare_digits(tmp_path, train=1, val=1)
    assert len(set(seeds)) == 2


def test_the_same_seed_draws_the_same_bytes(root, tmp_path):
    digits.prepare_digits(tmp_path, train=60, val=40)
    assert all_bytes(tmp_path) == all_bytes(root)


def test_another_seed_draws_other_scenes(root, tmp_path):
    digits.prepare_digits(tmp_path, train=2, val=2, seed=1)
    assert (tmp_path / 'train' / '00001.jpg').read_bytes() != (root / 'train' / '00001.jpg').read_bytes()


@pytest.mark.parametrize('size', [18, 31, 56])
def test_a_digit_has_the_size_asked_for_and_ink_on_every_side(size):
    scans, _ = digits.load_scans()
    for scan, angle in zip(scans[:40], np.linspace(-digits.MAX_ROTATION, digits.MAX_ROTATION, 40), strict=True):
        ink = digits.draw_digit(scan, size, angle)
        assert max(ink.shape) == size
        assert min(side.max() for side in (ink[0], ink[-1], ink[:, 0], ink[:, -1])) > 0.25
        assert ink.min() >= 0
        assert ink.max() <= 1 + 1e-6


def test_nothing_is_painted_outside_the_box():
    rng = np.random.default_rng(0)
    scans, _ = digits.load_scans()
    before = np.full((digits.SIDE, digits.SIDE, 3), 100, np.float32)
    after = before.copy()
    ink, box = digits._place(scans[0], [], rng)
    digits._paint(after, ink, box, rng)
    rows, columns = np.where((after != before).any(2))
    x, y, width, height = box
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [x, y, x + width, y + height]


@pytest.mark.parametrize(('split', 'scenes'), [('train', 60), ('val', 40)])
def test_scenes_hold_two_to_six_digits_of_the_promised_size(root, split, scenes):
    annotations = content(root, split)['annotations']
    per_scene = Counter(annotation['image_id'] for annotation in annotations)
    assert len(per_scene) == scenes
    assert set(per_scene.values()) == {2, 3, 4, 5, 6}
    sides = [max(annotation['bbox'][2:]) for annotation in annotations]
    assert 18 <= min(sides) < 22
    assert 50 < max(sides) <= 56
    for x, y, width, height in (annotation['bbox'] for annotation in annotations):
        assert x >= 0
        assert y >= 0
        assert x + width <= digits.SIDE
        assert y + height <= digits.SIDE


def test_digits_overlap_at_most_slightly(root):
    for split in ('train', 'val'):
        by_scene = {}
        for annotation in content(root, split)['annotations']:
            by_scene.setdefault(annotation['image_id'], []).append(annotation['bbox'])
        for boxes in by_scene.values():
            pairs = [(one, other) for i, one in enumerate(boxes) for other in boxes[:i]]
            assert all(digits._overlap(*pair) <= digits.MAX_OVERLAP for pair in pairs)


def test_an_overlap_is_a_share_of_the_smaller_box():
    assert digits._overlap([0, 0, 10, 10], [5, 5, 20, 20]) == 0.25
    assert digits._overlap([2, 2, 4, 4], [0, 0, 10, 10]) == 1


def test_every_class_is_about_as_frequent(root):
    counts = Counter(annotation['category_id'] for annotation in content(root, 'train')['annotations'])
    assert sorted(counts) == list(range(10))
    assert min(counts.values()) > sum(counts.values()) / 10 / 2.5


def test_pycocotools_reads_the_set(root, capsys):
    for split, scenes in (('train', 60), ('val', 40)):
        coco = COCO(str(root / 'annotations' / f'{split}.json'))
        assert len(coco.imgs) == scenes
        assert [category['name'] for category in coco.loadCats(coco.getCatIds())] == list('0123456789')
        assert all((root / split / image['file_name']).is_file() for image in coco.imgs.values())
        assert all(a['area'] == a['bbox'][2] * a['bbox'][3] and not a['iscrowd'] for a in coco.anns.values())
        assert 'UCI' in coco.dataset['info']['source']


def test_a_second_call_reuses_the_scenes(root):
    written = {path: path.stat().st_mtime_ns for path in root.rglob('*')}
    assert not digits.prepare_digits(root, train=60, val=40)
    assert written == {path: path.stat().st_mtime_ns for path in root.rglob('*')}


@pytest.mark.parametrize('harm', ['no stamp', 'broken stamp', 'picture gone', 'annotations gone', 'older version'])
def test_an_incomplete_set_is_drawn_again(tmp_path, harm, monkeypatch):
    if harm == 'older version':
        monkeypatch.setattr(digits, 'VERSION', digits.VERSION - 1)
    digits.prepare_digits(tmp_path, train=3, val=2)
    monkeypatch.undo()
    complete = all_bytes(tmp_path)
    if harm == 'no stamp':
        (tmp_path / 'stamp.json').unlink()
    elif harm == 'broken stamp':
        (tmp_path / 'stamp.json').write_text('{"ver')
    elif harm == 'picture gone':
        (tmp_path / 'val' / '00002.jpg').unlink()
    elif harm == 'annotations gone':
        (tmp_path / 'annotations' / 'val.json').unlink()
    assert digits.prepare_digits(tmp_path, train=3, val=2)
    again = all_bytes(tmp_path)
    assert again.keys() == complete.keys()
    assert {name for name in again if again[name] != complete[name]} <= {'stamp.json'}
    assert not digits.prepare_digits(tmp_path, train=3, val=2)


def test_a_smaller_set_leaves_no_scene_of_the_larger_one(tmp_path):
    digits.prepare_digits(tmp_path, train=4, val=2)
    (tmp_path / 'train' / 'mine.txt').write_text('kept')
    digits.prepare_digits(tmp_path, train=2, val=2)
    assert sorted(path.name for path in (tmp_path / 'train').iterdir()) == ['00001.jpg', '00002.jpg', 'mine.txt']


def test_a_missing_scikit_learn_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ImportError, match=r"pip install '\.\[quickstart\]'"):
        digits.prepare_digits(tmp_path)
