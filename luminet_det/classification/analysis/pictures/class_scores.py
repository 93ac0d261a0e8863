"""The mean logits of each class's images, and their average down the columns: the LumiNet paper's Fig. 2."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.pictures.style import NETWORKS, SIGNS, new_figure, readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_class_scores(networks: Mapping[str, Answers], classes: Mapping[int, str]) -> 'Figure':
    """Draw one column a network: above, its mean logits by true class; below, each class's logit over all images.

    The upper matrix is the paper's prediction matrix, restricted to `classes`. The lower bars are its intra-class
    distribution: mean and standard deviation of a class's logit over all images, whichever class they show. Both
    are what `luminet_det.losses.luminet.perception` removes.

    Args:
        networks: Answers to the same images.
        classes: Names of the classes to show, by label.
    """
    columns, names = list(classes), readable(list(classes.values()))
    means = {name: _means(answers, columns) for name, answers in networks.items()}
    top = max(matrix.abs().max().item() for matrix in means.values()) or 1.0
    figure = new_figure(max(4.0 * len(networks) + 1.3, 6), 7.2)
    grid = figure.subplots(2, len(networks), squeeze=False, sharey='row', height_ratios=[1.75, 1])
    places = range(len(columns))
    for i, (name, answers) in enumerate(networks.items()):
        above, below = grid[:, i]
        drawn = above.imshow(means[name], cmap=SIGNS, vmin=-top, vmax=top, interpolation='nearest', aspect='auto')
        above.set_title(name, fontsize=11)
        above.set_xticks(places, [])
        below.bar(
            places,
            answers.logits[:, columns].mean(0),
            yerr=answers.logits[:, columns].std(0, correction=0),
            color=NETWORKS[i % len(NETWORKS)],
            error_kw=dict(lw=1, capsize=2, ecolor='#444444'),
        )
        below.axhline(0, color='black', lw=0.8)
        below.set_xlim(-0.5, len(columns) - 0.5)
        below.set_xticks(places, names, rotation=60, ha='right', rotation_mode='anchor', fontsize=9)
        below.grid(axis='y', alpha=0.3)
        below.set_xlabel('class of the logit')
    grid[0, 0].set_yticks(places, names, fontsize=9)
    grid[0, 0].set_ylabel('mean over the images of')
    grid[1, 0].set_ylabel('mean ± sd over all images')
    figure.colorbar(drawn, ax=grid[0], pad=0.02).set_label('mean logit')
    return figure


def _means(answers: Answers, columns: list[int]) -> torch.Tensor:
    """(K, K): row by true class, column by logit; 0 where a class has no image."""
    rows = [answers.logits[answers.labels == label][:, columns] for label in columns]
    return torch.stack([row.mean(0) if len(row) else row.new_zeros(len(columns)) for row in rows])
