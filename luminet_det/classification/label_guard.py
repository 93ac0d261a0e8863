"""LabelGuard: a label that is no class stops the run and names its images."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from luminet_det.distillation.pending_flags import PendingFlags

SHOWN = 5  # labels that a message lists


class LabelGuard:
    """Watches for labels that are no class without waiting for the device.

    The datasets of this package check theirs when they are built; those of one's own may not. Cross-entropy leaves an
    image of label -100 out without a word, and on a GPU a label above the last class ends the process without its name.
    There what was found is read a step or two later, and until then such labels have to count as another class.
    """

    def __init__(self) -> None:
        self._looks = PendingFlags()

    def watch(self, outside: Tensor, labels: Tensor, index: Tensor | None, classes: int) -> None:
        """Remember which labels of a step are outside of the classes, and look at those of the steps before.

        Args:
            outside: Which are (B,), bool.
            labels: (B,).
            index: Place of each image in the dataset (B,), if that is known.
            classes: How many there are.

        Raises:
            ValueError: A label is outside; on the CPU of this step, on a GPU of one before.
        """
        self._looks.add(outside.any(), (labels, index, classes))
        self.check()

    def check(self, wait: bool = False) -> None:
        """Raise ValueError if a label watched before is outside of the classes; names the images.

        Args:
            wait: For all looks, also those that have not arrived.
        """
        for look in self._looks.raised(wait):
            self._looks = PendingFlags()
            refuse(*look)

    def __deepcopy__(self, memo: dict) -> 'LabelGuard':
        return LabelGuard()

    def __reduce__(self) -> tuple:
        return LabelGuard, ()


def outside(labels: Tensor, classes: int) -> Tensor:
    """Which labels (B,) are none of so many classes.

    Raises:
        ValueError: There is more than one number for an image, as MixUp and CutMix give.
    """
    if labels.dim() != 1:
        raise ValueError(
            f'labels are of shape {tuple(labels.shape)}; expected one class index for each image, (B,). Labels that '
            'are mixed, as by MixUp or CutMix, are not supported.'
        )
    return (labels < 0) | (labels >= classes)


def with_labels(handed: Mapping[str, Any] | None, labels: Tensor) -> dict[str, Any]:
    """What is handed to losses, with these labels (B,) for those that need any."""
    handed = dict(handed or {})
    return {**handed, 'target': labels} if 'target' in handed else handed


def refuse(labels: Tensor, index: Tensor | None, classes: int) -> None:
    """Raise ValueError if labels are outside of the classes.

    Args:
        labels: (B,).
        index: Place of each image in the dataset (B,), if that is known.
        classes: How many there are.
    """
    places = outside(labels, classes).nonzero()[:, 0].tolist()
    if not places:
        return
    named = [f'{int(labels[i])}' + ('' if index is None else f' (image {int(index[i])})') for i in places]
    more = ', ...' if len(named) > SHOWN else ''
    raise ValueError(
        f'{len(named)} of {len(labels)} labels of a batch are outside 0 to {classes - 1}: '
        f'{", ".join(named[:SHOWN])}{more}. Correct the dataset, or model.network.num_classes; to leave images out, '
        'drop them from the dataset.'
    )
