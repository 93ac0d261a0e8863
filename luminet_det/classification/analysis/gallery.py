"""The gallery: every picture that can be drawn of some networks, with a title and how to read it."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch

from luminet_det.classification.analysis import pictures
from luminet_det.classification.analysis.pictures.style import MOST_CLASSES
from luminet_det.classification.analysis.subjects import Subjects

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_CLASS = 100  # images of a class in the t-SNE, whose time grows faster than their number


class Picture(NamedTuple):
    """A picture or, in its place, why there is none.

    Attributes:
        name: Name of its file.
        title: Its heading.
        text: How to read it, in a few sentences.
        draw: Draws it; None where something is missing, which `text` then says.
    """

    name: str
    title: str
    text: str
    draw: 'Callable[[], Figure] | None'


def shown_classes(subjects: Subjects, count: int = 10, names: list[str] | None = None) -> dict[int, str]:
    """The classes that pictures of single classes show, by label.

    Args:
        subjects: The networks and their answers.
        count: How many, spread evenly over the dataset's class order; classes without an image are skipped.
        names: Names of the classes, instead of `count`.

    Raises:
        ValueError: More classes than colours and markers can tell apart, fewer than 2, or an unknown name.
    """
    places = {name: i for i, name in enumerate(subjects.classes)}
    if unknown := [name for name in names or () if name not in places]:
        raise ValueError(
            f'--classes names {", ".join(unknown)}, which {subjects.dataset} does not have. It has '
            f'{", ".join(subjects.classes[:12])}{", ..." if len(subjects.classes) > 12 else ""}.'
        )
    count = len(names) if names else count
    if not 2 <= count <= MOST_CLASSES:
        raise ValueError(f'{count} classes were chosen; pictures show 2 to {MOST_CLASSES}. Change --classes.')
    if names:
        return {places[name]: name for name in names}
    there = next(iter(subjects.networks.values())).labels.unique()
    chosen = there[torch.linspace(0, len(there) - 1, min(count, len(there))).round().long()]
    return {label: subjects.classes[label] for label in chosen.tolist()}


def gallery(subjects: Subjects, classes: Mapping[int, str], seed: int = 0) -> Iterator[Picture]:
    """All pictures, in the page's order; `seed` draws the batch and lays out the t-SNE."""
    networks, students, tau, eps = subjects.networks, subjects.students, subjects.loss.tau, subjects.loss.eps
    count = len(next(iter(networks.values())).labels)
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: subjects.batch_size]
    yield _embeddings(networks, classes, seed)
    if subjects.teacher:
        yield Picture(
            'correlations',
            'Correlation of the classes, against the teacher',
            'For each pair of classes, how much the correlation of their logits over the images differs from the '
            "teacher's. Dark means alike. The mean is over pairs of different classes. A student that has learnt which "
            'classes belong together has a low mean, whatever the scale of its logits.',
            lambda: pictures.draw_correlations(students, networks[subjects.teacher]),
        )
    else:
        yield Picture('correlations', 'Correlation of the classes, against the teacher', _without_teacher(), None)
    yield Picture(
        'class_scores',
        'Intra-class distribution',
        'Fig. 2 of the LumiNet paper. Upper panel: the mean logits of all images of a class (row). Lower panel: the '
        "mean of each class's logit over all images, with its standard deviation. Classes differ in both, whatever the "
        'image shows: this is what perception removes.',
        lambda: pictures.draw_class_scores(networks, classes),
    )
    yield Picture(
        'intra_class',
        'A class over the images, before and after perception',
        f'Boxes are quartiles with the median, whiskers reach from the 1st to the 99th percentile of {count} images. '
        'Before perception, classes and networks differ in scale; after it, only the shapes of the distributions still '
        'differ.',
        lambda: pictures.draw_intra_class(networks, classes, eps),
    )
    yield Picture(
        'perceptions',
        'One batch: logits and perceptions',
        f'{len(rows)} images drawn at random and ordered by class, so that right answers lie along the diagonal. '
        f'Perception takes mean and variance of each column, over these rows, and divides by tau = {tau:g}; the '
        'softmax of the rows is what LumiNet compares. Vertical stripes, classes that are high or low '
        'for every image, are gone.',
        lambda: pictures.draw_perceptions(networks, rows, tau, eps),
    )
    yield Picture(
        'reliability',
        'Reliability',
        'Accuracy of the images in each bin of confidence. Hatched is the gap to their mean confidence: bars below the '
        'diagonal are overconfident, above it underconfident. ECE is the mean gap over the images.',
        lambda: pictures.draw_reliability(networks),
    )


def _embeddings(networks: Mapping, classes: Mapping[int, str], seed: int) -> Picture:
    title = 'Embeddings by t-SNE'
    given = {name: answers for name, answers in networks.items() if answers.embedding is not None}
    text = (
        f'The input of the last linear layer, for at most {PER_CLASS} images of each of {len(classes)} classes. '
        'Islands of one colour are classes that the network separates; distances between islands and their sizes mean '
        'little. The silhouette is measured in the embedding itself, not in the plane.'
    )
    if lacking := [name for name in networks if name not in given]:
        text += (
            f' Left out: {", ".join(lacking)}, because an ensemble, or a network that returns only logits, has no '
            'embedding.'
        )
    return Picture(
        'embeddings',
        title,
        text,
        (lambda: pictures.draw_embeddings(given, classes, seed, PER_CLASS)) if given else None,
    )


def _without_teacher() -> str:
    return (
        'Left out: it needs a teacher, and there is none. Give a config with model.teacher, or --teacher-config and '
        '--teacher-checkpoint.'
    )
