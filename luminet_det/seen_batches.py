"""Skips the batches that a resumed run has trained on, without reading their images or changing later batches."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import multiprocessing
from torch.utils.data import DataLoader, get_worker_info

from luminet_det.loaded_images import transforms
from luminet_det.seeds import DATA, seed_generators
from luminet_det.unread_annotations import LOADERS, place_of


def guard(runner: Runner) -> None:
    """Have the training data of an iteration-based run seeded batch by batch, so that batches can be skipped.

    mmengine's loop replays the data of all iterations before a checkpoint, images and augmentation, so that samplers
    and loader processes end up where they were. Here each batch is seeded by its iteration, whichever process loads it:
    a process that knows how many batches have been trained on does not read them, and the next one is the same as
    without an interruption. With transforms that keep earlier images, such as `CachedMosaic`, all batches are read
    again.
    """
    build = runner.build_dataloader

    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> DataLoader:
        loader = build(dataloader, *args, **kwargs)
        # With a finite sampler, processes restart, or load in another order, at the end of each round.
        endless = isinstance(getattr(loader.batch_sampler, 'sampler', None), InfiniteSampler)
        if endless and place_of(runner, dataloader, LOADERS) == 'train_dataloader' and _in_turn(loader):
            loader.seen = Seen(loader)
            _count(loader, loader.seen, runner.seed)
        return loader

    runner.build_dataloader = build_dataloader


def begin_epoch(loader: Any, run_seed: int, start: int, done: int) -> None:
    """Have the next pass over a loader seeded batch by batch, without reading the batches already trained on.

    Args:
        loader: The loader of an epoch-based run, whose processes, if any, are about to start.
        run_seed: The seed of the run.
        start: The iteration of the epoch's first batch.
        done: How many of its batches a resumed run has trained on; they come as None.
    """
    # Batches that this process loads itself are seeded by ExactResumeHook.
    if _in_turn(loader) and (done or loader.num_workers):
        _count(loader, Trained(0 if images_are_kept(loader) else start + done), run_seed, start)


class Trained(NamedTuple):
    """How many batches a run has already trained on."""

    batches: int


class Seen:
    """How many batches of a loader are already trained on, in memory that its processes share.

    Args:
        loader: The loader, before it has started any processes.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._shared = (loader.multiprocessing_context or multiprocessing).Value('q', 0) if loader.num_workers else None
        self._own = 0
        # Transforms that keep earlier images would lack those of batches that were not read.
        self.are_needed = images_are_kept(loader)

    @property
    def batches(self) -> int:
        return self._own if self._shared is None else self._shared.value

    def pass_over(self, loop: Any, count: int) -> None:
        """Leave the first `count` batches unread, if the loop asks for them only to drop them."""
        if self.are_needed or type(loop).run is not IterBasedTrainLoop.run:
            return
        if self._shared is None:
            self._own = count
        else:
            self._shared.value = count


def images_are_kept(loader: DataLoader) -> bool:
    """Whether transforms hold images of earlier batches, as `CachedMosaic` does."""
    return any(hasattr(transform, 'results_cache') for transform in transforms(loader.dataset))


def _in_turn(loader: Any) -> bool:
    """Whether the loader's processes take batches in turn, and its dataset can be given a `__getitems__`."""
    return isinstance(loader, DataLoader) and getattr(loader, 'in_order', True) and hasattr(loader.dataset, '__dict__')


def _count(loader: DataLoader, seen: 'Seen | Trained', run_seed: int, first: int = 0) -> None:
    """Have the processes of a loader count which batch they load, starting at the run's batch `first`."""
    loader.collate_fn = partial(collated, _without(collated, loader.collate_fn))
    if loader.num_workers:
        seed = partial(seed_generators, run_seed, DATA, get_rank())
        init = _without(start_worker, loader.worker_init_fn)
        loader.worker_init_fn = partial(start_worker, init, partial(Fetch, seen, seed), first)
    else:
        loader.dataset.__getitems__ = Fetch(seen, None, loader.dataset, first)


def _without(wrapper: Callable, function: Callable | None) -> Callable | None:
    """The original function, if an earlier epoch has wrapped it in `wrapper`."""
    return function.args[0] if isinstance(function, partial) and function.func is wrapper else function


class Fetch:
    """Replaces a dataset's `__getitems__`, which torch calls for whole batches.

    Args:
        seen: Tells how many batches of the run to skip; for these, None is returned.
        seed: Called with the iteration of a batch before it is read.
        dataset: The dataset.
        first: Iteration of the first batch that this process loads.
        step: This process loads one of every `step` batches.
    """

    def __init__(
        self, seen: Seen | Trained, seed: Callable[[int], None] | None, dataset: Any, first: int = 0, step: int = 1
    ) -> None:
        self.seen, self.seed, self.dataset, self.batch, self.step = seen, seed, dataset, first, step
        whole = getattr(dataset, '__getitems__', None)
        self._whole = whole._whole if isinstance(whole, Fetch) else whole

    def __call__(self, indices: Sequence[int]) -> Any:
        batch, self.batch = self.batch, self.batch + self.step
        if batch < self.seen.batches:
            return None
        if self.seed:
            self.seed(batch)
        return self._whole(indices) if self._whole else [self.dataset[i] for i in indices]


def collated(collate: Callable, samples: Any) -> Any:
    """A batch; None if it was skipped."""
    return None if samples is None else collate(samples)


def start_worker(init: Callable | None, fetch: Callable, first: int, worker_id: int) -> None:
    """Set up a loader process; torch gives the processes batches in turn, starting at the run's batch `first`."""
    if init:
        init(worker_id)
    found = get_worker_info()
    load = found.dataset.__getitems__ = fetch(found.dataset, first + worker_id, found.num_workers)
    # For anything with its own generator that it seeds from torch's.
    load.seed(load.batch)
