"""Correlation of classes: which logits rise and fall together over the images."""

from torch import Tensor


def correlation(logits: Tensor) -> Tensor:
    """Pearson correlation between the logits of each pair of classes over the images.

    Args:
        logits: (N, C).

    Returns:
        float64 (C, C). A class whose logit is the same for all images has correlation 0 with the others.
    """
    centred = logits.double() - logits.double().mean(0)
    norms = centred.norm(dim=0)
    constant = norms <= 1e-12 * logits.double().norm(dim=0)
    unit = (centred / norms).masked_fill(constant, 0)
    return (unit.T @ unit).clamp(-1, 1).fill_diagonal_(1)


def correlation_difference(teacher: Tensor, student: Tensor) -> Tensor:
    """How differently two networks relate the classes: |difference of their correlations|, (C, C), float64.

    First shown in Tian et al., "Contrastive Representation Distillation", arXiv 1910.10699.

    Args:
        teacher: Logits (N, C).
        student: Logits (N, C) of the same images.

    Raises:
        ValueError: The shapes differ.
    """
    if teacher.shape != student.shape:
        raise ValueError(
            f'Logits {tuple(teacher.shape)} of the teacher and {tuple(student.shape)} of the student are not of the '
            'same images and classes.'
        )
    return (correlation(teacher) - correlation(student)).abs()


def mean_difference(difference: Tensor) -> float:
    """The mean over pairs of different classes of a `correlation_difference`, whose diagonal is always 0."""
    classes = len(difference)
    return ((difference.sum() - difference.trace()) / max(classes * (classes - 1), 1)).item()
