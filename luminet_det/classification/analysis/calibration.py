"""Calibration: whether a network is right as often as its confidence says."""

from typing import NamedTuple

import torch
from torch import Tensor

BINS = 15


class Calibration(NamedTuple):
    """Confidence and accuracy of the images, in bins of equal width over the confidences 0..1.

    Attributes:
        count: Images in each bin, int64 (bins,).
        confidence: Mean probability of the predicted class in each bin, (bins,); 0 where it is empty.
        accuracy: Share of right predictions in each bin, (bins,); 0 where it is empty.
        error: Expected calibration error, 0..1: the mean over the images of |accuracy - confidence| of their bin.
    """

    count: Tensor
    confidence: Tensor
    accuracy: Tensor
    error: float


def calibration(logits: Tensor, labels: Tensor, bins: int = BINS) -> Calibration:
    """Reliability of the predicted classes' softmax probabilities.

    Source: Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599, Eq. 3: bin m holds the
    confidences in ((m - 1) / bins, m / bins].

    Args:
        logits: (N, C).
        labels: (N,).
        bins: Number of bins.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    place = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    count = torch.bincount(place, minlength=bins)
    filled = count.clamp(min=1)
    mean = torch.bincount(place, confidence, minlength=bins) / filled
    accuracy = torch.bincount(place, (predicted == labels).double(), minlength=bins) / filled
    error = (count * (accuracy - mean).abs()).sum() / max(len(labels), 1)
    return Calibration(count, mean, accuracy, error.item())
