"""Outputs: what every classification network returns."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """What a network says of a batch of images (B, 3, H, W), each part computed once, in the one forward pass.

    Attributes:
        logits: Before any softmax, (B, C).
        features: The maps of each stage, stem first, after its last ReLU where it ends in one: (B, C_i, H_i, W_i).
            Transformers give the tokens of each block instead, (B, N, D).
        before_relu: The same tensors before that ReLU. Where a stage ends in none, the very same tensors.
        embedding: What the last linear layer sees: the last maps after pooling, (B, D); None of a network that
            gives logits alone.
    """

    logits: Tensor
    features: tuple[Tensor, ...]
    before_relu: tuple[Tensor, ...]
    embedding: Tensor | None

    @staticmethod
    def mean(outputs: 'Sequence[Outputs]') -> 'Outputs':
        """The mean of several networks' outputs, part by part.

        Raises:
            ValueError: The networks give parts of different shapes, or not as many.
        """
        first, *others = outputs
        if not others:
            return first
        return Outputs(
            _mean('logits', [output.logits for output in outputs]),
            _means('features', [output.features for output in outputs]),
            _means('before_relu', [output.before_relu for output in outputs]),
            None if first.embedding is None else _mean('embedding', [output.embedding for output in outputs]),
        )


def _means(name: str, stages: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    counts = [len(of_one) for of_one in stages]
    if len(set(counts)) > 1:
        raise ValueError(
            f'{name} of networks with {counts} stages have no mean; let these teachers share logits alone.'
        )
    return tuple(_mean(f'{name}[{i}]', of_all) for i, of_all in enumerate(zip(*stages, strict=True)))


def _mean(name: str, tensors: Sequence[Tensor | None]) -> Tensor:
    shapes = [None if tensor is None else tuple(tensor.shape[1:]) for tensor in tensors]
    if len(set(shapes)) > 1:
        raise ValueError(f'{name} of shapes {shapes} have no mean; let these teachers share what has one shape.')
    return sum(tensors[1:], tensors[0]) / len(tensors)
