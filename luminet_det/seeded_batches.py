"""The batches of a training loop, each loaded under the seed of its own iteration."""

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader


class SeededBatches:
    """The batches of an iteration-based loop, each drawn under the seed of its own iteration."""

    def __init__(self, batches: Iterator, seed: Callable[[int], None]) -> None:
        self.batches, self.seed, self.iteration = batches, seed, 0

    def __iter__(self) -> 'SeededBatches':
        return self

    def __next__(self) -> Any:
        self.seed(self.iteration)
        self.iteration += 1
        return next(self.batches)

    def skip_iter(self, iterations: int) -> None:
        """Replay what a resumed run has seen; onedl-mmengine calls this method, mmengine calls `next` itself."""
        for _ in range(iterations):
            next(self)


class RestOfEpoch:
    """A loader without its first `done` batches, for one epoch; otherwise the same as the loader."""

    def __init__(self, loader: DataLoader, done: int, seed: Callable[[int], None]) -> None:
        self.loader, self.done, self.seed = loader, done, seed

    def __len__(self) -> int:
        return len(self.loader) - self.done

    def __iter__(self) -> Iterator:
        self.seed(0)
        batches = iter(self.loader)
        for batch in range(self.done):
            next(batches)
            self.seed(batch + 1)
        yield from batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)
