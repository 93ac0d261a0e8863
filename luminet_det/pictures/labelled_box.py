"""A box with a class, annotated or found."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torchvision.ops import box_iou

IOU = 0.5  # from which on a box is on an object


class LabelledBox(NamedTuple):
    """A box of an image.

    Attributes:
        corners: Left, top, right and bottom in pixels of the image.
        name: The class.
        score: Of a box that was found, from 0 to 1.
    """

    corners: tuple[float, float, float, float]
    name: str
    score: float = 1.0


def right(found: Sequence[LabelledBox], truth: Sequence[LabelledBox]) -> list[bool]:
    """Which boxes are right: each annotated one is found by the surest box of its class that it overlaps by `IOU`.

    As in COCO's evaluation a second box on the same object is wrong.

    Args:
        found: The surest first.
        truth: The annotated ones.
    """
    if not found or not truth:
        return [False] * len(found)
    overlaps = box_iou(*(torch.tensor([box.corners for box in boxes]) for boxes in (found, truth)))
    taken: set[int] = set()
    answers = []
    for box, row in zip(found, overlaps, strict=True):
        free = [i for i, other in enumerate(truth) if other.name == box.name and i not in taken and row[i] >= IOU]
        answers.append(bool(free))
        if free:
            taken.add(max(free, key=lambda i: float(row[i])))
    return answers
