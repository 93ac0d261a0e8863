"""Which boxes are right, and which images tell two detectors apart."""

import pytest

from luminet_det.pictures import Count, LabelledBox, Scene, counts, right, telling

CAT, DOG = (LabelledBox((0, 0, 10, 10), name) for name in ('cat', 'dog'))


def found(*corners, name='cat', score=0.9):
    return LabelledBox(corners, name, score)


@pytest.mark.parametrize(
    ('box', 'is_right'),
    [
        (found(0, 0, 10, 10), True),
        (found(0, 0, 10, 5), True),  # IoU 0.5
        (found(0, 0, 10, 4.9), False),
        (found(0, 0, 10, 10, name='dog'), False),
        (found(20, 20, 30, 30), False),
    ],
)
def test_a_box_is_right_by_its_class_and_its_place(box, is_right):
    assert right([box], [CAT]) == [is_right]


def test_an_object_is_found_once_and_each_box_takes_the_object_that_it_covers_best():
    near = LabelledBox((2, 0, 12, 10), 'cat')
    assert right([found(0, 0, 10, 10), found(0, 0, 10, 10)], [CAT]) == [True, False]
    assert right([found(2, 0, 12, 10), found(0, 0, 10, 10)], [CAT, near]) == [True, True]
    # The first box fits both objects and the second only CAT, so the first is matched to the other object.
    assert right([found(1.5, 0, 11.5, 10), found(-3, 0, 7, 10)], [CAT, near]) == [True, True]


def test_nothing_found_and_nothing_there():
    assert right([], [CAT]) == []
    assert right([found(0, 0, 1, 1)], []) == [False]
    scene = Scene('x.png', [CAT, DOG], [])
    assert counts([[], [found(0, 0, 10, 10), found(5, 5, 9, 9)]], [scene, scene]) == [
        Count(right=0, wrong=0, missed=2),
        Count(right=1, wrong=1, missed=1),
    ]


def test_what_lies_on_an_ignored_object_is_neither_right_nor_wrong():
    crowd = LabelledBox((20, 0, 60, 40), 'cat')
    boxes = [found(0, 0, 10, 10), found(21, 1, 25, 9), found(21, 1, 25, 9, name='dog'), found(15, 0, 24, 9)]
    assert right(boxes, [CAT], [crowd]) == [True, None, False, False]
    assert counts([boxes], [Scene('x.png', [CAT], [crowd])]) == [Count(right=1, wrong=2, missed=0)]
    # An object that counts is matched before an ignored one.
    assert right([found(0, 0, 10, 10)], [CAT], [CAT]) == [True]


def balances(*values):
    return [Count(right=max(value, 0), wrong=max(-value, 0), missed=0) for value in values]


@pytest.mark.parametrize(
    ('gains', 'number', 'places'),
    [
        ([1, -1, 3, -4, 0, 2], 4, [2, 5, 1, 3]),
        ([1, -1, 3, -4, 0, 2], 3, [2, 5, 3]),
        ([1, 2, 3, -1], 4, [2, 1, 0, 3]),
        ([-1, -2, -3, 1], 2, [3, -2]),
        ([0, 0, 1], 2, [2, 0]),
        ([0, 0], 5, [0, 1]),
    ],
)
def test_the_largest_gains_come_first_and_the_largest_losses_last(gains, number, places):
    places = [place % len(gains) for place in places]
    assert telling(balances(*[0] * len(gains)), balances(*gains), number) == places
