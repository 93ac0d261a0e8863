"""Reliability diagrams: accuracy against confidence."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.calibration import BINS, calibration
from luminet_det.classification.analysis.pictures.style import NETWORKS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(networks: Mapping[str, Answers], bins: int = BINS) -> 'Figure':
    """Draw one column a network: accuracy in each bin of confidence; below, how many images it holds.

    The hatched part between bar and diagonal is what the expected calibration error (ECE) averages.

    Args:
        networks: Answers with labels.
        bins: Number of bins of equal width over 0..1.
    """
    figure = new_figure(max(3.6 * len(networks) + 0.6, 4.8), 5.4)
    grid = figure.subplots(2, len(networks), squeeze=False, sharex=True, sharey='row', height_ratios=[3, 1])
    edges = np.arange(bins) / bins
    for i, (name, answers) in enumerate(networks.items()):
        found = calibration(answers.logits, answers.labels, bins)
        accuracy, confidence, count = (part.numpy() for part in (found.accuracy, found.confidence, found.count))
        above, below = grid[:, i]
        colour = NETWORKS[i % len(NETWORKS)]
        bar = dict(width=1 / bins, align='edge', linewidth=0.6)
        above.bar(edges, accuracy, color=colour, edgecolor='white', label='accuracy', **bar)
        gap = np.where(count > 0, confidence - accuracy, 0)
        above.bar(
            edges,
            gap,
            bottom=accuracy,
            color='none',
            edgecolor='#333333',
            hatch='////',
            label='gap to confidence',
            **bar,
        )
        above.plot([0, 1], [0, 1], color='black', lw=1, ls='--', label='perfectly calibrated')
        above.set_title(f'{name}\nECE {100 * found.error:.2f} %', fontsize=11)
        above.set(xlim=(0, 1), ylim=(0, 1))
        above.grid(alpha=0.25)
        below.bar(edges, count / max(count.sum(), 1), color=colour, edgecolor='white', **bar)
        below.set_xlabel('confidence')
        below.grid(axis='y', alpha=0.25)
    grid[0, 0].set_ylabel('accuracy')
    grid[1, 0].set_ylabel('share of images')
    grid[0, 0].legend(loc='upper left', fontsize=8.5)
    return figure
