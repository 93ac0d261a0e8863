"""t-SNE of the embeddings of a few classes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.pictures.style import class_style, new_figure, readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERPLEXITY = 30


def draw_embeddings(
    networks: Mapping[str, Answers], classes: Mapping[int, str], seed: int = 0, most: int = 100
) -> 'Figure':
    """Draw one panel a network: its embeddings of the images of `classes`, laid out in the plane by t-SNE.

    The title of each panel gives the silhouette of the classes, computed in the embedding and not in the plane: 1 for
    tight classes far apart, 0 for classes that touch, negative for mixed ones.

    Args:
        networks: Answers to the same images; all need embeddings.
        classes: Names of the classes to show, by label; at most `style.MOST_CLASSES`.
        seed: Seed of the layout.
        most: Largest number of images of each class; the first ones are shown.

    Source: van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008; scikit-learn's, from a PCA.
    """
    labels = next(iter(networks.values())).labels
    shown = torch.cat([(labels == label).nonzero()[:most, 0] for label in classes])
    labels = labels[shown]
    columns = min(len(classes), 5 if len(networks) < 3 else 7)
    rows = -(-len(classes) // columns)
    figure = new_figure(max(4.2 * len(networks), 5.6), 5.3 + 0.24 * rows)
    panels = figure.subplots(1, len(networks), squeeze=False)[0]
    for axes, (name, answers) in zip(panels, networks.items(), strict=True):
        embedding = answers.embedding[shown]
        points = _layout(embedding, seed)
        for place, label in enumerate(classes):
            of_class = points[labels == label]
            axes.scatter(
                of_class[:, 0],
                of_class[:, 1],
                s=14,
                linewidths=0,
                alpha=0.8,
                label=readable([classes[label]])[0],
                **class_style(place),
            )
        axes.set_title(f'{name}\nsilhouette {_silhouette(embedding, labels)}', fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_box_aspect(1)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc='outside lower center', ncols=columns, fontsize=9, markerscale=1.8, frameon=False)
    return figure


def _layout(embedding: Tensor, seed: int) -> Tensor:
    from sklearn.manifold import TSNE

    # Perplexity is a number of neighbours, and a few images do not have that many.
    perplexity = min(PERPLEXITY, max((len(embedding) - 1) / 3, 1))
    start = 'pca' if min(embedding.shape) > 1 else 'random'
    made = TSNE(perplexity=perplexity, init=start, learning_rate='auto', random_state=seed)
    return torch.from_numpy(made.fit_transform(embedding.numpy()))


def _silhouette(embedding: Tensor, labels: Tensor) -> str:
    from sklearn.metrics import silhouette_score

    if not 1 < len(labels.unique()) < len(labels):
        return 'undefined'
    return f'{silhouette_score(embedding.numpy(), labels.numpy()):.3f}'
