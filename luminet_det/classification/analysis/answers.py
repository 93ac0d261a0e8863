"""Answers: the outputs of a network for many images."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from luminet_det.classification.data import collate_images
from luminet_det.classification.models import Outputs


class Answers(NamedTuple):
    """The outputs of one network for N images, float32 on the CPU.

    Attributes:
        logits: (N, C).
        embedding: (N, D); None for a network that returns only logits.
        labels: The true classes, int64 (N,).
    """

    logits: Tensor
    embedding: Tensor | None
    labels: Tensor


def collect(
    networks: Mapping[str, Callable[[Tensor], Outputs]],
    preprocessor: nn.Module,
    dataset: Dataset,
    batch_size: int = 250,
    num_workers: int = 0,
    indices: Sequence[int] | None = None,
) -> dict[str, Answers]:
    """Run networks on the same images, in one pass over the data.

    Args:
        networks: By name, functions from normalised images (B, 3, H, W) to `Outputs`. They must be in eval mode.
        preprocessor: An mmengine data preprocessor on the networks' device; it normalises.
        dataset: Dataset with samples like those of `LabelledImages`.
        batch_size: Images at a time.
        num_workers: Processes that read them.
        indices: Which samples; default: all.

    Returns:
        The answers of each network, image by image in the dataset's order.
    """
    samples = dataset if indices is None else Subset(dataset, list(indices))
    loader = DataLoader(samples, batch_size, num_workers=num_workers, collate_fn=collate_images)
    labels: list[Tensor] = []
    said: dict[str, list[tuple[Tensor, Tensor | None]]] = {name: [] for name in networks}
    with torch.inference_mode():
        for batch in loader:
            if not len(batch['labels']):  # all of them unreadable, and skipped
                continue
            inputs = preprocessor(batch, False)['inputs']
            labels.append(batch['labels'].cpu())
            for name, network in networks.items():
                outputs = network(inputs)
                embedding = None if outputs.embedding is None else outputs.embedding.flatten(1).float().cpu()
                said[name].append((outputs.logits.float().cpu(), embedding))
    # Inference tensors cannot take part in autograd; copies of them can.
    return {
        name: Answers(
            torch.cat([logits for logits, _ in parts]).clone(),
            None if parts[0][1] is None else torch.cat([embedding for _, embedding in parts]).clone(),
            torch.cat(labels),
        )
        for name, parts in said.items()
    }


def evenly(labels: Tensor, count: int, seed: int = 0) -> list[int]:
    """Indices of `count` samples, spread as evenly over the classes as possible, ascending.

    Args:
        labels: (N,).
        count: Number of samples; at most N are returned.
        seed: Seed that chooses them.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    turn = torch.empty(len(labels), dtype=torch.int64)
    for label in labels.unique():
        members = order[labels[order] == label]
        turn[members] = torch.arange(len(members))
    # First one sample of each class, then a second of each; within a turn in random order.
    chosen = order[torch.argsort(turn[order], stable=True)][:count]
    return chosen.sort().values.tolist()
