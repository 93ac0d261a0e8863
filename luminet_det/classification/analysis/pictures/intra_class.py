"""How the logits of one class spread over the images, before and after perception."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.pictures.style import NETWORKS, new_figure, readable
from luminet_det.losses import perception

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHISKERS = (1, 99)


def draw_intra_class(networks: Mapping[str, Answers], classes: Mapping[int, str], eps: float = 1e-5) -> 'Figure':
    """Draw a box per class and network: quartiles, median, 1st and 99th percentile of its logit over all images.

    Args:
        networks: Answers to the same images.
        classes: Names of the classes to show, by label.
        eps: As in `LumiNetLoss`.
    """
    columns, count = list(classes), len(networks)
    figure = new_figure(max(0.62 * len(columns) + 3, 8), 6.6)
    panels = figure.subplots(2, 1, sharex=True)
    views = {
        'raw logits': lambda logits: logits,
        'perception: the same, each class to mean 0 and variance 1': lambda logits: perception(logits, eps),
    }
    for axes, (title, view) in zip(panels, views.items(), strict=True):
        handles = []
        for i, answers in enumerate(networks.values()):
            width = 0.8 / count
            drawn = axes.boxplot(
                view(answers.logits)[:, columns].numpy(),
                positions=[place + (i - (count - 1) / 2) * width for place in range(len(columns))],
                widths=0.85 * width,
                whis=WHISKERS,
                showfliers=False,
                patch_artist=True,
                boxprops=dict(facecolor=NETWORKS[i % len(NETWORKS)], edgecolor='black', linewidth=0.6),
                medianprops=dict(color='white', linewidth=1.6),
                whiskerprops=dict(linewidth=0.9),
                capprops=dict(linewidth=0.9),
                manage_ticks=False,
            )
            handles.append(drawn['boxes'][0])
        axes.axhline(0, color='black', lw=0.7, zorder=0)
        axes.grid(axis='y', alpha=0.3)
        axes.set_title(title, fontsize=11)
    panels[0].set_ylabel('logit')
    panels[1].set_ylabel('standardised logit')
    panels[1].set_xlim(-0.6, len(columns) - 0.4)
    names = readable(list(classes.values()))
    panels[1].set_xticks(range(len(columns)), names, rotation=40, ha='right', rotation_mode='anchor', fontsize=9)
    figure.legend(handles, list(networks), loc='outside upper center', ncols=count, frameon=False, fontsize=10)
    return figure
