"""Batches that a resumed run has trained on: passed over without reading an image, in an order that stays exact."""

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
    """Have the training data of an iteration-based run seeded batch by batch, so that batches can be passed over.

    mmengine's loop replays the data of all iterations before a checkpoint, images and augmentation, so that samplers
    and loader processes end up where they were. Here a batch's random numbers belong to its iteration, whichever
    process loads it: a process that is told how many batches are trained on leaves these unread, and the next one
    comes out as it would have. With transforms that keep earlier images, as `CachedMosaic`, they are read again.
    """
    build = runner.build_dataloader

    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> DataLoader:
        loader = build(dataloader, *args, **kwargs)
        # Of a finite sampler processes start anew, or in another order, at the end of each round.
        endless = isinstance(getattr(loader.batch_sampler, 'sampler', None), InfiniteSampler)
        if endless and place_of(runner, dataloader, LOADERS) == 'train_dataloader' and _in_turn(loader):
            loader.seen = Seen(loader)
            _count(loader, loader.seen, runner.seed)
        return loader

    runner.build_dataloader = build_dataloader


def begin_epoch(loader: Any, run_seed: int, start: int, done: int) -> None:
    """Have the next pass over a loader seeded batch by batch, and those trained on left unread.

    Args:
        loader: Of an epoch-based run, whose processes, if any, are about to start.
        run_seed: The run's.
        start: The iteration of the epoch's first batch.
        done: How many of its batches a resumed run has trained on; they come as None.
    """
    # This process seeds each of its batches already, see ExactResumeHook.
    if _in_turn(loader) and (done or loader.num_workers):
        _count(loader, Trained(0 if images_are_kept(loader) else start + done), run_seed, start)


class Trained(NamedTuple):
    """How many batches of a run are trained on already."""

    batches: int


class Seen:
    """How many batches of a loader are trained on already, in memory that its processes share.

    Args:
        loader: Before it has started any.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._shared = (loader.multiprocessing_context or multiprocessing).Value('q', 0) if loader.num_workers else None
        self._own = 0
        # What these hold of earlier images a batch that was not read would lack.
        self.are_needed = images_are_kept(loader)

    @property
    def batches(self) -> int:
        return self._own if self._shared is None else self._shared.value

    def pass_over(self, loop: Any, count: int) -> None:
        """Leave the first so many batches unread, if the loop asks for them only to drop them."""
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
    """Whether the loader's processes have their batches in turn, and its dataset can be told of it."""
    return isinstance(loader, DataLoader) and getattr(loader, 'in_order', True) and hasattr(loader.dataset, '__dict__')


def _count(loader: DataLoader, seen: 'Seen | Trained', run_seed: int, first: int = 0) -> None:
    """Have the processes of a loader know which batch they load, from the run's batch `first` on."""
    loader.collate_fn = partial(collated, _without(collated, loader.collate_fn))
    if loader.num_workers:
        seed = partial(seed_generators, run_seed, DATA, get_rank())
        init = _without(start_worker, loader.worker_init_fn)
        loader.worker_init_fn = partial(start_worker, init, partial(Fetch, seen, seed), first)
    else:
        loader.dataset.__getitems__ = Fetch(seen, None, loader.dataset, first)


def _without(wrapper: Callable, function: Callable | None) -> Callable | None:
    """The function that an earlier epoch has put into `wrapper`."""
    return function.args[0] if isinstance(function, partial) and function.func is wrapper else function


class Fetch:
    """Stands in for a dataset's `__getitems__`, which torch asks for whole batches.

    Args:
        seen: None is returned for the run's batches before.
        seed: Called with the iteration of a batch before it is read.
        dataset: The dataset.
        first: Iteration of the first batch that this process loads.
        step: Of every so many batches it loads one.
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
    """A batch; None of one that was passed over."""
    return None if samples is None else collate(samples)


def start_worker(init: Callable | None, fetch: Callable, first: int, worker_id: int) -> None:
    """What a loader process begins with; torch gives them the batches in turn, from the run's batch `first` on."""
    if init:
        init(worker_id)
    found = get_worker_info()
    load = found.dataset.__getitems__ = fetch(found.dataset, first + worker_id, found.num_workers)
    # For what has a generator of its own and takes its seed from torch's.
    load.seed(load.batch)
