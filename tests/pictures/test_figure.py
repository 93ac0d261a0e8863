import cv2
import numpy as np
import pytest

from luminet_det.pictures import LabelledBox, Scene, draw, figure

pytest.importorskip('matplotlib')


def drawn(folder, scale):
    """The drawing of a photograph, 160 x 120 pixels times `scale`: a dark square on white with a box around it."""
    image = np.full((120 * scale, 160 * scale, 3), 255, np.uint8)
    image[30 * scale : 90 * scale, 40 * scale : 100 * scale] = 60
    cv2.imwrite(str(folder / f'{scale}.png'), image)
    box = LabelledBox(tuple(float(scale * at) for at in (40, 30, 100, 90)), 'square', 0.9)
    draw(folder / f'{scale}_drawn.png', [Scene(str(folder / f'{scale}.png'), [box], [])], {'one': [[box]]}, 'a title')
    return cv2.imread(str(folder / f'{scale}_drawn.png')).astype(float)


def test_boxes_lie_where_they_do_however_large_the_image_is(tmp_path):
    small, large = drawn(tmp_path, 4), drawn(tmp_path, 20)
    assert small.shape == large.shape
    assert np.abs(small - large).mean() < 1


def test_no_more_pixels_are_drawn_than_a_column_shows():
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    figure._draw_image(axis, np.zeros((3000, 4000, 3), np.uint8))
    assert max(axis.images[0].get_array().shape) == figure.FINEST
    assert (axis.get_xlim(), axis.get_ylim()) == ((-0.5, 3999.5), (2999.5, -0.5))
