"""The outlines of masks lie where the masks are, and masks are drawn on their objects."""

import cv2
import numpy as np
import pytest
from pycocotools import mask

from luminet_det.pictures import LabelledBox, Scene, draw
from luminet_det.pictures.outline import of_annotation, of_bitmap

RING = np.zeros((120, 160), np.uint8)
RING[30:90, 40:100] = 1
RING[50:70, 60:80] = 0


def lengths():
    """The ring's run lengths as in COCO's annotations of crowds: column by column, background first."""
    flat = RING.flatten(order='F')
    ends = [0, *(np.flatnonzero(np.diff(flat)) + 1), len(flat)]
    return dict(size=list(RING.shape), counts=np.diff(ends).tolist())


def test_an_outline_lies_where_a_box_of_the_mask_does():
    outside, inside = sorted(of_bitmap(RING), key=len, reverse=True)
    assert (np.min(outside, 0).tolist(), np.max(outside, 0).tolist()) == ([40.5, 30.5], [99.5, 89.5])
    assert np.abs(np.array(inside).mean(0) - [70, 60]).max() < 0.5


@pytest.mark.parametrize('packed', [True, False], ids=['packed', 'numbers'])
def test_annotated_run_lengths_are_the_mask(packed):
    segmentation = mask.encode(np.asfortranarray(RING)) if packed else lengths()
    assert of_annotation(segmentation) == of_bitmap(RING)


def test_annotated_polygons_stay_and_a_box_may_have_none():
    assert of_annotation([[1, 2, 3, 2, 3, 4], [5, 5, 6, 5, 6, 6]]) == [
        [[1, 2], [3, 2], [3, 4]],
        [[5, 5], [6, 5], [6, 6]],
    ]
    assert of_annotation(None) == []
    assert of_bitmap(RING * 0) == []


def test_a_mask_is_drawn_on_its_object_and_not_in_its_holes(tmp_path):
    pytest.importorskip('matplotlib')
    image = np.full((120, 160, 3), 255, np.uint8)
    cv2.imwrite(str(tmp_path / 'white.png'), image)
    drawn = []
    for outline in ((), of_bitmap(RING)):
        box = LabelledBox((40.0, 30.0, 100.0, 90.0), 'ring', 0.9, outline)
        out = tmp_path / f'{len(outline)}.png'
        draw(out, [Scene(str(tmp_path / 'white.png'), [box], [])], {'one': [[box]]}, 'a title')
        drawn.append(cv2.imread(str(out)).astype(int))
    changed = np.abs(drawn[1] - drawn[0]).max(2) > 20
    found = changed[:, changed.shape[1] // 2 :]  # the detector's column
    rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
    part = found[rows[0] : rows[-1], columns[0] : columns[-1]]
    third = len(part) // 3
    assert part[: third - 5].mean() > 0.9
    assert not part[third + 5 : 2 * third - 5, third + 5 : 2 * third - 5].any()
