"""The protocol: choose a learning rate on held-out training images, train a layer on all, use the test set once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from luminet_det.classification.data.subset import stratified
from luminet_det.classification.probe.embeddings import Embedded
from luminet_det.classification.probe.linear import fit


@dataclass(frozen=True)
class Protocol:
    """How a linear layer is trained; the same for all networks that are compared.

    Source: the transfer experiment of Tian et al., "Contrastive Representation Distillation", arXiv 1910.10699,
    which ReviewKD, DKD and LumiNet took over. The paper leaves optimiser, batch size and epochs open; these are ours.

    Args:
        learning_rates: Those from which one is chosen on the held-out part.
        epochs: Epochs of every training.
        batch_size: Batch size of every training.
        held_out: Share of each class of the training set that is held out to choose the learning rate.

    Raises:
        ValueError: A number is out of range.
    """

    learning_rates: tuple[float, ...] = (0.1, 1.0, 5.0)
    epochs: int = 100
    batch_size: int = 256
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(f'--lrs {list(self.learning_rates)}: expected one number above 0, or several')
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError(f'--epochs {self.epochs}, --batch-size {self.batch_size}: expected whole numbers above 0')
        if not 0 < self.held_out < 1:
            raise ValueError(f'--held-out {self.held_out:g}: expected a share of the training set between 0 and 1')


class Seed(NamedTuple):
    """Result of one seed: the chosen learning rate, top-1 of each on the held-out part, top-1 and top-5 on the test."""

    seed: int
    learning_rate: float
    held_out: dict[str, float]
    top1: float
    top5: float


def probe(
    train: Embedded,
    test: Embedded,
    num_classes: int,
    protocol: Protocol,
    seeds: int = 3,
    device: str = 'cpu',
    said: Callable[[str], None] = lambda line: None,
) -> list[Seed]:
    """Train and test a linear layer for each seed.

    A seed draws the held-out part, the start and the order of the images. Nothing is chosen on the test set: it is
    scored once, by the layer of the last epoch.

    Args:
        train: Embedded training set.
        test: Embedded test set.
        num_classes: Number of classes of both.
        protocol: How to train.
        seeds: Number of seeds, from 0.
        device: Where to train.
        said: Called with a line about each seed.

    Raises:
        ValueError: No learning rate gives a finite loss.
    """
    train, test = (Embedded(*(part.to(device) for part in of)) for of in (train, test))
    found = []
    for seed in range(seeds):
        if len(protocol.learning_rates) > 1:
            held_out = _choose(train, num_classes, protocol, seed)
            rate = max(held_out, key=held_out.get)
        else:
            held_out, (rate,) = {}, protocol.learning_rates
        layers = fit(*train, num_classes, [rate], protocol.epochs, protocol.batch_size, seed)
        if not all(part.isfinite().all() for part in layers):
            raise ValueError(f'The linear layer diverged with learning rate {rate:g}. Give smaller ones: --lrs.')
        top1, top5 = (accuracies[0] for accuracies in layers.accuracy(*test).values())
        found.append(
            Seed(
                seed,
                rate,
                {f'{key:g}': round(value, 4) for key, value in held_out.items()},
                round(top1, 4),
                round(top5, 4),
            )
        )
        said(f'seed {seed}: top-1 {top1:.2f}, top-5 {top5:.2f}, learning rate {rate:g}')
    return found


def _choose(train: Embedded, num_classes: int, protocol: Protocol, seed: int) -> dict[float, float]:
    """Top-1 of each learning rate on the held-out part."""
    labels = train.labels.cpu().numpy()
    parts = [
        torch.from_numpy(stratified(labels, val_fraction=protocol.held_out, part=part, seed=seed))
        for part in ('train', 'held-out')
    ]
    kept, held = (Embedded(*(tensor[rows.to(tensor.device)] for tensor in train)) for rows in parts)
    if not len(held.labels):
        raise ValueError('No class has two training images, so none can be held out; give one learning rate: --lrs 1')
    layers = fit(*kept, num_classes, protocol.learning_rates, protocol.epochs, protocol.batch_size, seed)
    scores = layers.accuracy(*held)['top1']
    finite = [all(bool(part[i].isfinite().all()) for part in layers) for i in range(len(scores))]
    return {
        rate: score if good else -math.inf
        for rate, score, good in zip(protocol.learning_rates, scores, finite, strict=True)
    }
