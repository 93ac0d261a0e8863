"""A box with a class, annotated or found, and which of those found are right."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torchvision.ops import box_area, box_iou

from luminet_det.pictures.outline import Outline

IOU = 0.5  # the least overlap of a box with its object


class LabelledBox(NamedTuple):
    """A box of an image.

    Attributes:
        corners: Left, top, right and bottom in pixels of the image.
        name: The class.
        score: Score of a detected box, from 0 to 1.
        outline: The outline of its mask, if it has one.
    """

    corners: tuple[float, float, float, float]
    name: str
    score: float = 1.0
    outline: Outline = ()


def right(
    found: Sequence[LabelledBox], truth: Sequence[LabelledBox], ignored: Sequence[LabelledBox] = ()
) -> list[bool | None]:
    """Which boxes are right: by descending score, each takes a free annotated box of its class with IoU >= `IOU`.

    As in COCO's evaluation, a second box on the same object is wrong, and a box with at least half of its area on an
    object that does not count is neither.

    Args:
        found: The detected boxes, by descending score.
        truth: The annotated boxes that count.
        ignored: Those that do not count: crowds, and VOC's difficult ones.

    Returns:
        True, False or None (neither) for each box.
    """
    overlaps, inside = _overlaps(found, truth)[0], _overlaps(found, ignored)[1]
    taken: set[int] = set()
    answers: list[bool | None] = []
    for place, box in enumerate(found):
        free = [i for i, at in enumerate(truth) if at.name == box.name and i not in taken and overlaps[place, i] >= IOU]
        if free:
            taken.add(max(free, key=lambda i: float(overlaps[place, i])))
        of_none = any(at.name == box.name and inside[place, i] >= IOU for i, at in enumerate(ignored))
        answers.append(True if free else None if of_none else False)
    return answers


def _overlaps(found: Sequence[LabelledBox], others: Sequence[LabelledBox]) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU, and the part of each box found that lies in the other, both (found, others)."""
    one, other = (torch.tensor([box.corners for box in boxes]).reshape(-1, 4) for boxes in (found, others))
    iou, areas = box_iou(one, other), box_area(one)[:, None]
    # iou = shared / (one + other - shared)
    shared = iou * (areas + box_area(other)) / (1 + iou)
    return iou, shared / areas.clamp(min=1e-6)
