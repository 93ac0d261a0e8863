"""One PNG: an image a row, the annotations and each detector a column."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luminet_det.pictures.detections import Detections
from luminet_det.pictures.labelled_box import LabelledBox, right
from luminet_det.pictures.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIGHT, WRONG, TRUE = '#2ee66b', '#ff4d4d', 'white'
WIDTH = 3  # inches of a column
LEGEND = 'green: the class is right and IoU >= 0.5; red: it is not, or the object has a surer box'


def draw(
    path: str | Path,
    scenes: Sequence[Scene],
    columns: Mapping[str, Detections],
    title: str,
    rows: Sequence[str] = (),
) -> None:
    """Draw.

    Args:
        path: The PNG to write.
        scenes: The images.
        columns: What each detector found in them, by what to call it.
        title: Above everything; a legend of the colours is added.
        rows: What to write beside each image.
    """
    from matplotlib.figure import Figure  # not pyplot's, which asks for a display

    names = ['ground truth', *columns]
    heights = [WIDTH * scene.pixels.shape[0] / scene.pixels.shape[1] for scene in scenes]
    figure = Figure(figsize=(WIDTH * len(names), sum(heights) + 1), dpi=110, layout='constrained')
    axes = figure.subplots(len(scenes), len(names), squeeze=False, height_ratios=heights)
    for row, scene in enumerate(scenes):
        for column, name in enumerate(names):
            axis = axes[row, column]
            axis.imshow(scene.pixels[..., ::-1], interpolation='nearest')
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(name, fontsize=14)
            if column == 0:
                axis.set_ylabel(rows[row] if rows else '', fontsize=10)
                for box in scene.truth:
                    _draw_box(axis, box, box.name, TRUE)
                continue
            found = columns[name][row]
            colours = [RIGHT if hit else WRONG for hit in right(found, scene.truth)]
            for box, colour in reversed([*zip(found, colours, strict=True)]):  # the surest last, on top
                _draw_box(axis, box, f'{box.name} {box.score:.2f}', colour)
    figure.suptitle(f'{title}\n{LEGEND}', fontsize=12)
    figure.savefig(path)


def _draw_box(axis: 'Axes', box: LabelledBox, text: str, colour: str) -> None:
    left, top, end, bottom = box.corners
    # The edge pixels of an image reach half a pixel beyond their centres.
    axis.plot(
        [left - 0.5, end - 0.5, end - 0.5, left - 0.5, left - 0.5],
        [top - 0.5, top - 0.5, bottom - 0.5, bottom - 0.5, top - 0.5],
        color=colour,
        linewidth=1.5,
    )
    above = top > 0.07 * axis.get_ylim()[0]
    axis.text(
        left - 0.5,
        top - 1.5 if above else bottom + 0.5,
        text,
        color='black',
        fontsize=7,
        verticalalignment='bottom' if above else 'top',
        bbox=dict(facecolor=colour, edgecolor='none', pad=1, alpha=0.9),
        clip_on=True,
    )
