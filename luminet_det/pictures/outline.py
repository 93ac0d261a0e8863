"""Outline: the border of a mask, in pixels of the image, like boxes."""

from typing import Any

import numpy as np

Outline = list[list[list[float]]]  # polygons of (x, y); those around holes run the other way


def of_bitmap(bitmap: np.ndarray) -> Outline:
    """The outline of a mask (H, W) of bools."""
    from mmdet.structures.mask import bitmap_to_polygon

    # It returns the centres of the outermost pixels, which lie half a pixel inside.
    return [(polygon + 0.5).tolist() for polygon in bitmap_to_polygon(bitmap)[0]]


def of_annotation(segmentation: Any) -> Outline:
    """The outline of one of COCO's annotations: polygons, or a mask by its run lengths; empty for None."""
    if isinstance(segmentation, dict):
        from pycocotools import mask

        lengths = segmentation
        if isinstance(lengths['counts'], list):
            lengths = mask.frPyObjects(lengths, *lengths['size'])
        return of_bitmap(mask.decode(lengths))
    return [np.reshape(polygon, (-1, 2)).tolist() for polygon in segmentation or ()]
