"""Outputs: what every classification network returns."""

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """What a network says of a batch of images (B, 3, H, W), each part computed once, in the one forward pass.

    Attributes:
        logits: Before any softmax, (B, C).
        features: The maps of each stage, stem first, after its last ReLU where it ends in one: (B, C_i, H_i, W_i).
            Transformers give the tokens of each block instead, (B, N, D).
        before_relu: The same tensors before that ReLU. Where a stage ends in none, or torchvision or timm have no
            module that gives them, the very same tensors; `relu='before'` of the tap `features` refuses the latter.
        embedding: What the last linear layer sees: the last maps after pooling, (B, D); None of a network that
            gives logits alone.
        boundaries: The maps at which the network can be cut into stages, of as many stages as `features`; empty of a
            network that cannot be run stage by stage, see `luminet_det.classification.segments`.
    """

    logits: Tensor
    features: tuple[Tensor, ...]
    before_relu: tuple[Tensor, ...]
    embedding: Tensor | None
    boundaries: tuple[Tensor, ...] = ()
