"""LabelGuard: stops the run at labels outside the classes, and names their images."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from luminet_det.distillation.pending_flags import PendingFlags

SHOWN = 5  # labels that a message lists


class LabelGuard:
    """Watches for labels outside the classes without waiting for the device.

    The datasets of this package check their labels when they are built; custom ones may not. Cross-entropy silently
    ignores images with the label -100, and on a GPU a label above the last class kills the process without naming the
    image. On a GPU the result is read a step or two later; until then such labels have to count as a valid class.
    """

    def __init__(self) -> None:
        self._looks = PendingFlags()

    def watch(self, outside: Tensor, labels: Tensor, index: Tensor | None, classes: int) -> None:
        """Record which labels of a step are outside the classes, and check those of the steps before.

        Args:
            outside: Which labels are outside (B,), bool.
            labels: (B,).
            index: Index of each image in the dataset (B,), if known.
            classes: Number of classes.

        Raises:
            ValueError: A label is outside the classes: on the CPU in this step, on a GPU in an earlier one.
        """
        self._looks.add(outside.any(), (labels, index, classes))
        self.check()

    def check(self, wait: bool = False) -> None:
        """Raise ValueError, naming the images, if a recorded label is outside the classes.

        Args:
            wait: Wait for all recorded steps, also those whose result has not arrived yet.
        """
        for look in self._looks.raised(wait):
            self._looks = PendingFlags()
            refuse(*look)

    def __deepcopy__(self, memo: dict) -> 'LabelGuard':
        return LabelGuard()

    def __reduce__(self) -> tuple:
        return LabelGuard, ()


def outside(labels: Tensor, classes: int) -> Tensor:
    """Which labels (B,) are outside 0 to `classes` - 1.

    Raises:
        ValueError: The labels are not one number per image, as with MixUp and CutMix.
    """
    if labels.dim() != 1:
        raise ValueError(
            f'labels are of shape {tuple(labels.shape)}; expected one class index for each image, (B,). Mixed labels, '
            'as from MixUp or CutMix, are not supported.'
        )
    return (labels < 0) | (labels >= classes)


def with_labels(handed: Mapping[str, Any] | None, labels: Tensor) -> dict[str, Any]:
    """What is passed to the losses, with these labels (B,) as the target if it has one."""
    handed = dict(handed or {})
    return {**handed, 'target': labels} if 'target' in handed else handed


def refuse(labels: Tensor, index: Tensor | None, classes: int) -> None:
    """Raise ValueError if labels are outside the classes.

    Args:
        labels: (B,).
        index: Index of each image in the dataset (B,), if known.
        classes: Number of classes.
    """
    places = outside(labels, classes).nonzero()[:, 0].tolist()
    if not places:
        return
    named = [f'{int(labels[i])}' + ('' if index is None else f' (image {int(index[i])})') for i in places]
    more = ', ...' if len(named) > SHOWN else ''
    raise ValueError(
        f'{len(named)} of {len(labels)} labels of a batch are outside 0 to {classes - 1}: '
        f'{", ".join(named[:SHOWN])}{more}. Correct the dataset, or model.network.num_classes; to leave images out, '
        'remove them from the dataset.'
    )
