"""Negatives: for each image of a batch, training images of other classes, drawn on the device."""

import torch
from torch import Tensor


class Negatives:
    """Draws, for each image, `count` images uniformly from those of other classes.

    One random permutation of the training set serves the whole batch: a row's negatives are the first `count` images
    in it that are of another class. For each row that is an exact draw without replacement, and all rows together need
    only few more than `count` different images. But rows are not independent of each other: those of the same class
    share all negatives, those of two classes nearly all.

    A row whose class leaves fewer than `count` others draws with replacement, independently of the other rows.

    The draws come from torch's global generator, and none waits for the device: what sizes depend on the labels'
    values is read on the host once, in the constructor.

    Args:
        labels: The class of every image of the training set (N,), int64.
        count: How many negatives a row gets.

    Raises:
        ValueError: If all images are of one class.
    """

    def __init__(self, labels: Tensor, count: int) -> None:
        self.labels, self.count = labels, count
        self.sizes = torch.bincount(labels)
        largest = int(self.sizes.max())
        if largest == len(labels):
            raise ValueError(
                'CRDLoss compares each image with those of other classes, but training_labels has only one class: set '
                'train_dataloader.dataset.data_root to the folder of all classes, or remove the term from distill'
            )
        self.replaces = len(labels) - largest < count
        # Whatever the permutation, among this many images there are `count` of other classes for each class.
        self.candidates = len(labels) if self.replaces else count + largest

    def draw(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The negatives of a batch.

        Args:
            index: Place of each image in the training set (B,).

        Returns:
            Places of the M candidates in the training set (M,), and how many times each is a negative of each row
            (B, M): the rows sum to `count`, and are bool if no row can draw an image twice.
        """
        order = torch.randperm(len(self.labels), device=self.labels.device)
        candidates = order[: self.candidates]
        target = self.labels.index_select(0, index).unsqueeze(1)
        chosen = self.labels.index_select(0, candidates) != target
        head, tail = chosen[:, : self.count], chosen[:, self.count :]
        # Each image of the row's own class among the first `count` candidates is replaced by the next of another class.
        tail &= tail.cumsum(1, dtype=torch.int32) <= self.count - head.sum(1, keepdim=True)
        if not self.replaces:
            return candidates, chosen
        others = len(self.labels) - self.sizes.index_select(0, target.flatten()).unsqueeze(1)
        return candidates, torch.where(others < self.count, self._with_replacement(order, target, others), chosen)

    def _with_replacement(self, order: Tensor, target: Tensor, others: Tensor) -> Tensor:
        """How many times each image, in the `order` given, is among `count` independent draws of a row (B, N)."""
        rows, images = len(target), len(order)
        # Remainders of numbers this large are uniform but for one part in 10**12.
        draws = torch.randint(2**62, (rows, self.count), device=order.device) % others
        # With the images sorted by class, a draw steps over the row's own class.
        first = (self.sizes.cumsum(0) - self.sizes).index_select(0, target.flatten()).unsqueeze(1)
        draws += (draws >= first) * (images - others)
        places = order.argsort().index_select(0, self.labels.argsort())
        counts = order.new_zeros(rows, images)
        return counts.scatter_add_(1, places[draws], torch.ones_like(draws))
