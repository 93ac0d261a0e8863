"""Outputs: what every classification network returns."""

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """A network's outputs for a batch of images (B, 3, H, W), all computed in one forward pass.

    Attributes:
        logits: Before any softmax, (B, C).
        features: The maps of each stage, stem first, after its last ReLU where it ends in one: (B, C_i, H_i, W_i).
            Transformers give the tokens of each block instead, (B, N, D).
        before_relu: The same maps before that ReLU. These are the tensors of `features` where a stage does not end in
            a ReLU, or where no module of torchvision or timm outputs them; `relu='before'` of the tap `features` is an
            error in the latter case.
        embedding: The input of the last linear layer: the last maps after pooling, (B, D); None for a network that
            returns only logits.
        boundaries: The maps at which the network can be cut into stages, as many as `features`; empty for a network
            that cannot be run stage by stage, see `luminet_det.classification.segments`.
    """

    logits: Tensor
    features: tuple[Tensor, ...]
    before_relu: tuple[Tensor, ...]
    embedding: Tensor | None
    boundaries: tuple[Tensor, ...] = ()
