"""Task: the checks that differ between detectors and classifiers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from torch import nn

from luminet_det.doctor import data
from luminet_det.doctor.findings import OK, WARN, Finding, Report
from luminet_det.doctor.pixels import Statistics


class Task(ABC):
    """The checks of a config that depend on what its datasets hold.

    Args:
        report: Where findings go.
        cfg: The config.

    Attributes:
        datasets: The dataset of each loader that could be read.
    """

    # The setting that chooses the validation images, and the share of them that may be trained on without a warning.
    validated, tolerated = 'val_dataloader.dataset', 0.0

    def __init__(self, report: Report, cfg: Config) -> None:
        self.report, self.cfg = report, cfg
        self.datasets: dict[str, Any] = {}

    @classmethod
    @abstractmethod
    def serves(cls, cfg: Config) -> bool:
        """Whether a config belongs to this task."""

    @abstractmethod
    def look_at_data(self, loader: str) -> bool:
        """Check a loader's dataset, and keep it if it can be read; return whether nothing failed."""

    @abstractmethod
    def identities(self, loader: str) -> Iterator[tuple[object, str]]:
        """For each image, a key that identifies it, and its name."""

    @abstractmethod
    def check_classes(self, model: nn.Module) -> Iterator[Finding]:
        """Whether the student has as many classes as the training set."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """Pixel statistics of training images."""

    def look_at_order(self, distils: bool, lacking: str | None) -> None:  # noqa: B027
        """Check that names and numbers of the classes agree; by default nothing."""

    def look_at_recipe(self, model: nn.Module, lacking: str | None) -> None:  # noqa: B027
        """Check for settings that train, but not as intended; by default nothing."""

    def look_at_answers(self, model: nn.Module, batch: dict | None, lacking: str | None) -> None:  # noqa: B027
        """Check teachers' answers against the labels of a batch; by default nothing."""

    def lacking(self, *loaders: str) -> str | None:
        """Why the datasets of these loaders are not there; None if they are."""
        if all(loader in self.datasets for loader in loaders):
            return None
        return 'a dataset could not be read' if len(loaders) > 1 else 'the training set could not be read'

    def lacking_images(self, *loaders: str) -> str | None:
        """Why the images of these loaders cannot be looked at; None if they can."""
        return self.lacking(*loaders)

    def check_evaluator(self) -> Iterator[Finding]:
        """Whether validation is scored against the file that it reads, and measures what chooses the best epoch."""
        yield from data.check_evaluator(self.cfg)
        yield from data.check_measured(self.cfg)

    def check_shared(self) -> Iterator[Finding]:
        """Whether training and validation share images, which would inflate the score."""
        train, val = (list(self.identities(name)) for name in data.LOADERS)
        trained = {identity for identity, _ in train}
        shared = [name for identity, name in val if identity in trained]
        if not shared:
            yield Finding('shared images', OK, 'training and validation share none')
            return
        some = '; '.join(shared[:3]) + ('; ...' if len(shared) > 3 else '')
        found = f'{len(shared)} of {len(val)} validation images are also in the training set: {some}'
        if len(shared) <= self.tolerated * len(val):
            yield Finding('shared images', OK, f'{found} (too few to move a score)')
            return
        yield Finding(
            'shared images', WARN, found, f'{self.validated}: a score on these images says nothing about new ones.'
        )
