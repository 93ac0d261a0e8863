"""LabelGuard: a label that is no class stops the run and names its images."""

import torch
from torch import Tensor

from luminet_det.distillation.finite import PENDING

SHOWN = 5  # labels that a message lists


class LabelGuard:
    """Watches for labels below 0 without waiting for the device.

    The data sets of this package check theirs when they are built; those of one's own may not. Cross-entropy refuses a
    label above the last class, and leaves an image of label -100 out without a word. On a GPU each step's finding is
    copied to the host beside the work and read when it has arrived, a step or two later.
    """

    def __init__(self) -> None:
        self._looks: list[tuple[Tensor, torch.cuda.Event, Tensor, Tensor | None]] = []

    def watch(self, labels: Tensor, index: Tensor | None) -> None:
        """Look at a step's labels, and at the findings that have arrived.

        Args:
            labels: (B,).
            index: Place of each image in the data set (B,), if that is known.

        Raises:
            ValueError: A label is below 0; on the CPU of this step, on a GPU of one before.
        """
        outside = (labels < 0).any()
        if not outside.is_cuda:
            if outside:
                refuse(labels, index)
            return
        arrived = torch.cuda.Event()
        self._looks.append((outside.to('cpu', non_blocking=True), arrived, labels, index))
        arrived.record()
        while self._looks and (len(self._looks) > PENDING or self._looks[0][1].query()):
            found, arrived, *of = self._looks.pop(0)
            arrived.synchronize()
            if found:
                refuse(*of)

    def __deepcopy__(self, memo: dict) -> 'LabelGuard':
        return LabelGuard()

    def __reduce__(self) -> tuple:
        return LabelGuard, ()


def refuse(labels: Tensor, index: Tensor | None, classes: int | None = None) -> None:
    """Raise ValueError if labels are outside of the classes.

    Args:
        labels: (B,).
        index: Place of each image in the data set (B,), if that is known.
        classes: How many there are; without a number only labels below 0 are outside.
    """
    outside = (labels < 0) if classes is None else (labels < 0) | (labels >= classes)
    if not outside.any():
        return
    places = outside.nonzero()[:, 0].tolist()
    named = [f'{int(labels[i])}' + ('' if index is None else f' (image {int(index[i])})') for i in places]
    more = ', ...' if len(named) > SHOWN else ''
    last = 'the last class' if classes is None else f'{classes - 1}'
    raise ValueError(
        f'{len(named)} of {len(labels)} labels of a batch are outside 0 to {last}: {", ".join(named[:SHOWN])}{more}. '
        'Correct the data set, or model.network.num_classes; to leave images out, drop them from the data set.'
    )
