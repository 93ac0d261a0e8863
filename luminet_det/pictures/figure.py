"""One PNG with a row per image, and columns for the annotations and for each detector."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import mmcv
import numpy as np

from luminet_det.pictures.detections import Detections
from luminet_det.pictures.labelled_box import LabelledBox, right
from luminet_det.pictures.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIGHT, WRONG, NEITHER, TRUE = '#2ee66b', '#ff4d4d', '#b0b0b0', 'white'
WIDTH = 3  # inches of a column
COLOURS = {True: RIGHT, False: WRONG, None: NEITHER}
DPI = 110
FINEST = 3 * WIDTH * DPI  # pixels of an image's longer side that are drawn; a column cannot show more
HEIGHTS = (1.0, 6.0)  # of a row, whatever the image's shape
LETTERS = 11  # letters of the title per inch
LEGEND = (
    'Green: right (class correct, IoU >= 0.5). Red: wrong, or the object has a box with a higher score. Grey: on an '
    'object that does not count.'
)


def draw(
    path: str | Path,
    scenes: Sequence[Scene],
    columns: Mapping[str, Detections],
    title: str,
    rows: Sequence[str] = (),
) -> None:
    """Draw the figure.

    Args:
        path: The PNG to write.
        scenes: The images.
        columns: What each detector found in them, by the detector's name.
        title: Above everything; a legend of the colours is added.
        rows: What to write next to each image.
    """
    from matplotlib.figure import Figure  # not pyplot's, which needs a display

    names = ['ground truth', *columns]
    images = [scene.pixels for scene in scenes]
    heights = [min(max(WIDTH * image.shape[0] / image.shape[1], HEIGHTS[0]), HEIGHTS[1]) for image in images]
    text = '\n'.join(fill(line, LETTERS * WIDTH * len(names)) for line in (*title.splitlines(), LEGEND))
    size = (WIDTH * len(names), sum(heights) + 0.4 + 0.2 * len(text.splitlines()))
    figure = Figure(figsize=size, dpi=DPI, layout='constrained')
    axes = figure.subplots(len(scenes), len(names), squeeze=False, height_ratios=heights)
    for row, scene in enumerate(scenes):
        for column, name in enumerate(names):
            axis = axes[row, column]
            _draw_image(axis, images[row])
            axis.autoscale(False)  # detectors may look beyond the border
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                axis.set_title(name, fontsize=14)
            if column == 0:
                axis.set_ylabel(rows[row] if rows else '', fontsize=10)
                for boxes, colour in ((scene.ignored, NEITHER), (scene.truth, TRUE)):
                    for box in boxes:
                        _draw_box(axis, box, box.name, colour)
                continue
            found = columns[name][row]
            colours = [COLOURS[answer] for answer in right(found, scene.truth, scene.ignored)]
            for box, colour in reversed([*zip(found, colours, strict=True)]):  # the highest score last, on top
                _draw_box(axis, box, f'{box.name} {box.score:.2f}', colour)
    figure.suptitle(text, fontsize=11)
    figure.savefig(path)


def _draw_image(axis: 'Axes', pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    if max(height, width) > FINEST:
        pixels = mmcv.imrescale(pixels, (FINEST, FINEST), interpolation='area')
    # Boxes are in pixels of the file, however many of these are drawn.
    axis.imshow(pixels[..., ::-1], interpolation='nearest', extent=(-0.5, width - 0.5, height - 0.5, -0.5))


def _draw_box(axis: 'Axes', box: LabelledBox, text: str, colour: str) -> None:
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path as Line
    from matplotlib.patheffects import Normal, withStroke

    left, top, end, bottom = box.corners
    edge = [withStroke(linewidth=2.5, foreground='black', alpha=0.6), Normal()]
    # The edge pixels of an image reach half a pixel beyond their centres.
    axis.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            end - left,
            bottom - top,
            fill=False,
            color=colour,
            linewidth=1.5,
            path_effects=edge,
        )
    )
    if box.outline:
        # A single path, in which polygons of opposite direction are holes.
        lines = Line.make_compound_path(
            *(Line(np.array([*polygon, polygon[0]]) - 0.5, closed=True) for polygon in box.outline)
        )
        axis.add_patch(PathPatch(lines, facecolor=colour, edgecolor=colour, alpha=0.4))
    width = axis.get_xlim()[1]
    # Above the box if there is room, else inside; aligned with its right edge in the right third of the image.
    above, flush = top > 0.06 * width, left > 0.67 * width
    axis.text(
        min(end, width) - 0.5 if flush else max(left, 0) - 0.5,
        top - 0.01 * width if above else max(top, 0) + 0.01 * width,
        text,
        color='black',
        fontsize=7,
        horizontalalignment='right' if flush else 'left',
        verticalalignment='bottom' if above else 'top',
        bbox=dict(facecolor=colour, edgecolor='none', pad=1, alpha=0.9),
        clip_on=True,
        parse_math=False,
    )
