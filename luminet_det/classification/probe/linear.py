"""Linear layers on embeddings, one for each learning rate, trained together by SGD."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from luminet_det.classification.accuracy import ranks

MOMENTUM = 0.9


class LinearLayers(NamedTuple):
    """As many layers as learning rates: weight (G, D, C) and bias (G, 1, C)."""

    weight: Tensor
    bias: Tensor

    def logits(self, embeddings: Tensor) -> Tensor:
        """(G, N, C) of embeddings (N, D)."""
        return embeddings @ self.weight + self.bias

    def accuracy(self, embeddings: Tensor, labels: Tensor, topk: Sequence[int] = (1, 5)) -> dict[str, list[float]]:
        """Top-k accuracies in percent, `{'top1': [of each layer], ...}`."""
        found = ranks(self.logits(embeddings), labels)
        return {f'top{k}': (100 * (found < k).double().mean(1)).tolist() for k in topk}


def fit(
    embeddings: Tensor,
    labels: Tensor,
    num_classes: int,
    learning_rates: Sequence[float],
    epochs: int,
    batch_size: int,
    seed: int,
) -> LinearLayers:
    """Train a linear layer for each learning rate, all on the same batches from the same start.

    SGD with momentum 0.9, no weight decay, the learning rate falling to 0 by a cosine; weights start from
    N(0, 0.01**2), biases from 0. Multiplying a layer's loss by its learning rate is, without weight decay, the
    same as training it with that rate, and lets one matrix product train them all.

    Args:
        embeddings: float32 (N, D), on the device to train on.
        labels: (N,), on the same device.
        num_classes: C.
        learning_rates: G numbers.
        epochs: Passes over the data.
        batch_size: The last batch of an epoch is smaller.
        seed: Seed of the initial weights and of the order of the images.
    """
    draw = torch.Generator().manual_seed(seed)
    device, (count, width) = embeddings.device, embeddings.shape
    start = 0.01 * torch.randn(width, num_classes, generator=draw)
    rates = torch.tensor(learning_rates, dtype=torch.float32, device=device)
    layers = LinearLayers(
        start.repeat(len(rates), 1, 1).to(device).requires_grad_(True),
        torch.zeros(len(rates), 1, num_classes, device=device, requires_grad=True),
    )
    optimizer = torch.optim.SGD(layers, lr=1.0, momentum=MOMENTUM, weight_decay=0.0)
    batches = -(-count // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    for _ in range(epochs):
        order = torch.randperm(count, generator=draw).to(device)
        for rows in order.split(batch_size):
            logits = layers.logits(embeddings[rows])
            targets = labels[rows].repeat(len(rates))
            losses = cross_entropy(logits.flatten(0, 1), targets, reduction='none').view(len(rates), -1).mean(1)
            optimizer.zero_grad()
            (rates * losses).sum().backward()
            optimizer.step()
            schedule.step()
    return LinearLayers(layers.weight.detach(), layers.bias.detach())
