"""How differently teacher and student relate the classes, as a matrix."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.correlation import correlation_difference, mean_difference
from luminet_det.classification.analysis.pictures.style import AMOUNTS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_correlations(students: Mapping[str, Answers], teacher: Answers) -> 'Figure':
    """Draw one matrix a student: `correlation_difference` of its logits to the teacher's, all on one scale.

    Args:
        students: By name, answers to the same images as the teacher's.
        teacher: The teacher's answers.
    """
    differences = {name: correlation_difference(teacher.logits, student.logits) for name, student in students.items()}
    # A single outlying pair of classes must not determine the scale of all others.
    top = max(torch.quantile(matrix.flatten()[:1_000_000], 0.995).item() for matrix in differences.values()) or 1e-6
    figure = new_figure(max(4.6 * len(students) + 0.9, 5.6), 4.9)
    panels = figure.subplots(1, len(students), squeeze=False)[0]
    for axes, (name, matrix) in zip(panels, differences.items(), strict=True):
        drawn = axes.imshow(matrix, cmap=AMOUNTS, vmin=0, vmax=top, interpolation='nearest')
        axes.set_title(f'{name}\nmean {mean_difference(matrix):.4f}, largest {matrix.max():.3f}', fontsize=11)
        axes.set_xlabel('class')
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel('class')
    bar = figure.colorbar(drawn, ax=panels, shrink=0.85, extend='max', pad=0.02)
    bar.set_label('|correlation in teacher - correlation in student|')
    return figure
