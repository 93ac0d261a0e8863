"""Part of a dataset, drawn from each class separately, and the same for the same seed."""

import numpy as np

PARTS = ('train', 'held-out')


def stratified(
    labels: np.ndarray, fraction: float = 1.0, val_fraction: float = 0.0, part: str = 'train', seed: int = 0
) -> np.ndarray:
    """Indices of a stratified part of a dataset, ascending.

    A share `fraction` of each class's images is kept, at least one; of those a share `val_fraction` is held out, at
    least one unless it is the class's last. With the same seed, a larger fraction contains a smaller one.

    Args:
        labels: (N,) class of each image.
        fraction: Share of the images of each class to use, in (0, 1].
        val_fraction: Share of those to hold out, in [0, 1).
        part: 'train' for those not held out, 'held-out' for the others; together they are all images that are used.
        seed: Seed that chooses the images.

    Raises:
        ValueError: A share is out of range, or the part is unknown or empty.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction={fraction!r} of the dataset: expected a share of the images, 0 < fraction <= 1.')
    if not 0 <= val_fraction < 1:
        raise ValueError(f'val_fraction={val_fraction!r} of the dataset: expected 0 <= val_fraction < 1.')
    if part not in PARTS:
        raise ValueError(f"part={part!r} of the dataset is unknown; choose 'train' or 'held-out'.")
    if part == 'held-out' and val_fraction == 0:
        raise ValueError("part='held-out' of the dataset is empty; set val_fraction, e.g. 0.1, in both parts.")
    if fraction == 1 and val_fraction == 0:
        return np.arange(len(labels))
    # NumPy promises that the legacy generator's numbers never change.
    draw = np.random.RandomState(seed)
    chosen = []
    for label in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == label))
        members = members[: max(1, round(fraction * len(members)))]
        held = min(max(1, round(val_fraction * len(members))), len(members) - 1) if val_fraction else 0
        chosen.append(members[:held] if part == 'held-out' else members[held:])
    return np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
