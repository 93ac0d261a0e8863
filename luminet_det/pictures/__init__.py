"""Pictures of what detectors find, next to each other and to the annotations."""

from luminet_det.pictures.comparison import Comparison, compare
from luminet_det.pictures.detections import Detections, detect
from luminet_det.pictures.figure import draw
from luminet_det.pictures.labelled_box import LabelledBox, right
from luminet_det.pictures.scene import Scene, scene
from luminet_det.pictures.telling import Count, counts, telling

__all__ = [
    'Comparison',
    'Count',
    'Detections',
    'LabelledBox',
    'Scene',
    'compare',
    'counts',
    'detect',
    'draw',
    'right',
    'scene',
    'telling',
]
