"""Which images tell two detectors apart, and how many boxes each gets right."""

from collections.abc import Sequence
from typing import NamedTuple

from luminet_det.pictures.detections import Detections
from luminet_det.pictures.labelled_box import right
from luminet_det.pictures.scene import Scene


class Count(NamedTuple):
    """Boxes of an image: right ones, wrong ones, and annotated ones that were not found."""

    right: int
    wrong: int
    missed: int

    @property
    def balance(self) -> int:
        """Right boxes minus wrong ones."""
        return self.right - self.wrong


def counts(found: Detections, scenes: Sequence[Scene]) -> list[Count]:
    """Count the boxes of each image."""
    answers = [right(boxes, scene.truth, scene.ignored) for boxes, scene in zip(found, scenes, strict=True)]
    return [
        Count(each.count(True), each.count(False), len(scene.truth) - each.count(True))
        for each, scene in zip(answers, scenes, strict=True)
    ]


def telling(before: Sequence[Count], after: Sequence[Count], number: int) -> list[int]:
    """The images on which one detector gains most over another, then those on which it loses most, half of each.

    Args:
        before: Counts of the other detector, by image.
        after: Counts of the one detector.
        number: How many images. If one half has too few, the other fills up; images without a difference are taken only
            if nothing else is left.

    Returns:
        Their indices, the largest gain first, the largest loss last.
    """
    gains = [new.balance - old.balance for old, new in zip(before, after, strict=True)]
    order = sorted(range(len(gains)), key=lambda i: -gains[i])
    number = min(number, len(order))
    won = [i for i in order if gains[i] > 0]
    lost = [i for i in reversed(order) if gains[i] < 0]
    losses = min(len(lost), max(number // 2, number - len(won)))
    chosen = {*lost[:losses], *won[: number - losses]}
    level = [i for i in order if gains[i] == 0][: number - len(chosen)]
    return [i for i in order if i in {*chosen, *level}]
