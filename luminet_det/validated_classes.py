"""Checks that a run validates on the classes that it trains on, since labels are only numbers."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from mmengine.logging import print_log

from luminet_det.dataset_config import common_classes

SHOWN = 6


class Difference(NamedTuple):
    """What is wrong with the classes of a loader.

    Attributes:
        what: The difference in words.
        change: What to change in the config.
        fatal: Whether they are not the same classes in another order.
    """

    what: str
    change: str
    fatal: bool


class ValidatedClasses:
    """Compares the datasets of a run as they are built, the training set first."""

    def __init__(self) -> None:
        self.trained: Sequence[str] | None = None

    def see(self, place: str, dataset: Any) -> None:
        """Look at a dataset.

        Args:
            place: Its loader, such as `val_dataloader`.
            dataset: The dataset.

        Raises:
            ValueError: It is validated or tested on, and has other classes than the training set.
        """
        classes = names(dataset)
        if place == 'train_dataloader':
            self.trained = classes
        elif found := difference(place, classes, self.trained):
            told = f'{found.what} {found.change}'
            if found.fatal:
                raise ValueError(told)
            print_log(told, logger='current', level=logging.WARNING)


def names(dataset: Any) -> tuple[str, ...] | None:
    """The classes of a dataset; None if it names none, or its parts name different ones."""
    with suppress(ValueError):
        classes = common_classes(getattr(dataset, 'metainfo', None))
        return None if classes is None else tuple(classes)


def difference(place: str, classes: Sequence[str] | None, trained: Sequence[str] | None) -> Difference | None:
    """How the classes of a loader differ from those of the training set; None if they do not."""
    if classes is None or trained is None or tuple(classes) == tuple(trained):
        return None
    return Difference(
        f'{place} numbers its classes {_some(classes)}, train_dataloader {_some(trained)}. The model learns these '
        'numbers, which would be scored as other classes.',
        f'Give {place}.dataset the metainfo = dict(classes=...) and the data_root of train_dataloader.dataset.',
        fatal=set(classes) != set(trained),
    )


def _some(classes: Sequence[str]) -> str:
    return ', '.join(map(str, classes[:SHOWN])) + (f', ... ({len(classes)} in all)' if len(classes) > SHOWN else '')
