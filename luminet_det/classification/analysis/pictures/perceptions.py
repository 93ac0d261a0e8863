"""One batch's logits as matrices, before and after perception."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.pictures.style import SIGNS, new_figure
from luminet_det.losses import perception

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_perceptions(
    networks: Mapping[str, Answers], rows: torch.Tensor, tau: float = 1.0, eps: float = 1e-5
) -> 'Figure':
    """Draw one column a network: the logits of a batch, and below them what LumiNet's softmax sees, perception / tau.

    Images are ordered by class, so right answers lie along the diagonal. Each row of panels has one scale.

    Args:
        networks: Answers to the same images.
        rows: Indices of the images of the batch, over which perception takes mean and variance.
        tau: As in `LumiNetLoss`.
        eps: As in `LumiNetLoss`.
    """
    labels = next(iter(networks.values())).labels[rows]
    rows = rows[labels.argsort(stable=True)]
    figure = new_figure(max(4.1 * len(networks) + 1.3, 6), 7.6)
    grid = figure.subplots(2, len(networks), squeeze=False, sharex=True, sharey=True)
    views = {
        'logit': lambda logits: logits,
        'perception' + (f' / {tau:g}' if tau != 1 else ''): lambda logits: perception(logits, eps) / tau,
    }
    for of_view, (what, view) in zip(grid, views.items(), strict=True):
        seen = {name: view(answers.logits[rows]) for name, answers in networks.items()}
        top = max(torch.quantile(each.abs().flatten()[:1_000_000], 0.998).item() for each in seen.values()) or 1.0
        for axes, (name, matrix) in zip(of_view, seen.items(), strict=True):
            drawn = axes.imshow(matrix, cmap=SIGNS, vmin=-top, vmax=top, aspect='auto', interpolation='nearest')
            spread = matrix.std(0, correction=0)
            axes.set_title(f'{name}\n{what}, sd of a class {spread.min():.2f} to {spread.max():.2f}', fontsize=10.5)
        figure.colorbar(drawn, ax=of_view, pad=0.02, extend='both').set_label(what)
        of_view[0].set_ylabel('image, ordered by class')
    for axes in grid[-1]:
        axes.set_xlabel('class')
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure
