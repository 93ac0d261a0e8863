"""Contrast memory: a running embedding of each training image by student and teacher, equal in all processes."""

import math

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.functional import normalize, pad


class ContrastMemory(nn.Module):
    """The memories of CRD, and the constants of its scores.

    Both are saved with the run: they are buffers, and loading a state with other settings is an error.

    Attributes:
        embeddings: (num_samples, 2, dim). The teacher's comes first, because the student, which comes first everywhere,
            is compared with it.
        constants: The logarithms of Z for the student's scores and for the teacher's, nan before the first batch;
            then num_negatives, tau and momentum.
        largest_batch: The largest number of rows that a process may have; 0 before the first batch.
        met: Whether the processes have agreed on all this since the run began.

    Args:
        num_samples: N, the number of training images.
        dim: Size of an embedding.
        num_negatives: How many negatives a row has.
        tau: Temperature of the scores.
        momentum: Weight of the old memory at each update.
        options: device and dtype.
    """

    def __init__(
        self, num_samples: int, dim: int, num_negatives: int, tau: float, momentum: float, **options: object
    ) -> None:
        super().__init__()
        self.settings = dict(num_negatives=num_negatives, tau=tau, momentum=momentum)
        bound = (3 / dim) ** 0.5
        self.register_buffer('embeddings', torch.empty(num_samples, 2, dim, **options).uniform_(-bound, bound))
        constants = [math.nan, math.nan, *self.settings.values()]
        self.register_buffer('constants', torch.tensor(constants, **options))
        self.largest_batch, self.met = 0, False
        self.register_load_state_dict_post_hook(_begin_again)

    def get_extra_state(self) -> Tensor:
        """The size of the largest batch, which is not part of the method."""
        return self.constants.new_tensor(self.largest_batch)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the size from a checkpoint."""
        self.largest_batch = int(state)

    @property
    def log_z(self) -> Tensor:
        """The logarithms of Z for the student's scores and for the teacher's (2,)."""
        return self.constants[:2]

    def keys(self, index: Tensor) -> Tensor:
        """What the student's and the teacher's anchors are compared with, (2, K, dim) for K places of images."""
        return self.embeddings.index_select(0, index).transpose(0, 1)

    def meet(self, rows: int) -> None:
        """At a run's first batch, agree with the other processes on the memories and on the size of the largest batch.

        A resumed run may start with an epoch's last and smallest batch, so the size before the resume counts as well.
        """
        largest = torch.tensor(max(rows, self.largest_batch), device=self.embeddings.device)
        if _several():
            dist.broadcast(self.embeddings, 0)
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        # Without any rows there is no Z yet: the next batch is the first.
        self.largest_batch = int(largest)
        self.met = self.largest_batch > 0

    def settle(self, positives: Tensor, negatives: Tensor, times: Tensor) -> None:
        """Set both Z from the first batch's scores of all processes, unless a checkpoint has provided them.

        Args:
            positives: (2, B).
            negatives: (2, B, M).
            times: How often each of these counts (B, M).
        """
        if not self.met or not self.log_z.isnan().any():
            return
        scores = torch.cat([positives, (negatives + times.to(negatives).log()).flatten(1)], dim=1)
        rows = scores.new_tensor([positives.shape[1]])
        sums = _gathered(torch.cat([scores.logsumexp(1), rows]).unsqueeze(0))
        count = sums[:, 2].sum() * (self.settings['num_negatives'] + 1)
        self.constants[:2] = sums[:, :2].logsumexp(0) - count.log() + math.log(len(self.embeddings))

    @torch.no_grad()
    def update(self, anchors: Tensor, index: Tensor) -> None:
        """Move the memories of the images of all processes towards their current embeddings.

        Args:
            anchors: The embeddings by student and teacher (2, B, dim).
            index: Place of each image in the training set (B,).

        Raises:
            ValueError: If there are several processes, and this batch is larger than the largest of their first ones.
        """
        values = anchors.flip(0).transpose(0, 1)
        if _several():
            room = self.largest_batch - len(index)
            if room < 0:
                raise ValueError(
                    f'CRDLoss in several processes: a batch of {len(index)} images after first batches of at most '
                    f'{self.largest_batch}. The first batch must be the largest: set train_dataloader.batch_sampler '
                    'to one whose batches have equal size, such as the default.'
                )
            index, values = pad(index, (0, room), value=-1), pad(values, (0, 0, 0, 0, 0, room))
            index, values = _gathered(index), _gathered(values)
        # For an image in several rows the first row counts, in whatever order they are written. Rows without an image
        # point at the first place, and write what is written there anyway, or what is there already.
        images, place = len(self.embeddings), index.clamp(min=0)
        rows = torch.arange(len(index), device=index.device).masked_fill(index < 0, len(index))
        first = rows.new_full((images,), len(index)).scatter_reduce_(0, place, rows, 'amin')
        moved = torch.lerp(values, self.embeddings.index_select(0, place), self.settings['momentum'])
        moved = torch.cat([normalize(moved, dim=2), self.embeddings[:1]])
        self.embeddings.index_copy_(0, place, moved.index_select(0, first.index_select(0, place)))


def _begin_again(memory: ContrastMemory, _: object) -> None:
    """After loading a state: refuse one with other settings; the next batch agrees with the other processes again."""
    memory.met = False
    saved = memory.constants[2:].tolist()
    if not all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(saved, memory.settings.values(), strict=True)):
        theirs = ', '.join(f'{name}={value:g}' for name, value in zip(memory.settings, saved, strict=True))
        ours = ', '.join(f'{name}={value:g}' for name, value in memory.settings.items())
        raise ValueError(
            f'These memories of CRDLoss belong to {theirs}; the loss has {ours}. To continue with them, set the '
            'former in the loss of model.distill.'
        )


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, each of which has the same number."""
    if not _several():
        return rows
    rows = rows.contiguous()
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows)
    return torch.cat(parts)
