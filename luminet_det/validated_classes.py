"""The classes that a run validates on: those that it trains on, as labels are numbers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

SHOWN = 6


class ValidatedClasses:
    """Compares the data sets of a run as they are built, the training set first."""

    def __init__(self) -> None:
        self.trained: Sequence[str] | None = None

    def see(self, place: str, dataset: Any) -> None:
        """Look at a data set.

        Args:
            place: Its loader, as `val_dataloader`.
            dataset: It.

        Raises:
            ValueError: It is validated or tested on, and has other classes than the training set.
        """
        classes = names(dataset)
        if place == 'train_dataloader':
            self.trained = classes
        elif found := difference(place, classes, self.trained):
            if set(classes) != set(self.trained):
                raise ValueError(' '.join(found))
            print_log(' '.join(found), logger='current', level=logging.WARNING)


def names(dataset: Any) -> tuple[str, ...] | None:
    """The classes of a data set; None if it names none, or its parts name different ones."""
    metainfo = getattr(dataset, 'metainfo', None)
    classes = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
    return None if classes is None else tuple(classes)


def difference(place: str, classes: Sequence[str] | None, trained: Sequence[str] | None) -> tuple[str, str] | None:
    """What is wrong with the classes of a loader and what to write; None if they are those of the training set."""
    if classes is None or trained is None or tuple(classes) == tuple(trained):
        return None
    found = (
        f'{place} numbers its classes {_some(classes)}, train_dataloader {_some(trained)}. What the model learns are '
        'these numbers, and they would be scored as other classes.'
    )
    return (
        found,
        f'Give {place}.dataset the metainfo = dict(classes=...) and the data_root of train_dataloader.dataset.',
    )


def _some(classes: Sequence[str]) -> str:
    return ', '.join(classes[:SHOWN]) + (f', ... ({len(classes)} in all)' if len(classes) > SHOWN else '')
